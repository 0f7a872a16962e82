"""Secrets Manager: the signing keys, the pepper of credential hashes, Twilio's auth tokens."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from botocore.session import get_session

from callstream.access.tokens import RING_CACHE, KeyRing
from callstream.adapters.aws._clients import CONFIG, unavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def _client() -> "SecretsManagerClient":
    client: SecretsManagerClient = get_session().create_client(  # type: ignore[assignment]
        "secretsmanager", config=CONFIG
    )
    return client


class Secret:
    """One secret, read when needed and kept for a while."""

    def __init__(self, secret_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret_id = secret_id
        self._clock = clock
        self._client = _client()
        self._value: str | None = None
        self._read_at = 0.0

    def value(self, max_age: float) -> str:
        """The secret, at most so many seconds old. Raises `Unavailable`."""
        if self._value is None or self._clock() - self._read_at > max_age:
            with unavailable("secretsmanager"):
                answer = self._client.get_secret_value(SecretId=self._secret_id)
            self._value = answer["SecretString"]
            self._read_at = self._clock()
        return self._value


class PermanentSecret:
    """A secret that never changes while a deployment lives, and is read once."""

    def __init__(self, secret_id: str) -> None:
        self._secret = Secret(secret_id)

    def value(self) -> str:
        """Read it. Raises `Unavailable`."""
        return self._secret.value(float("inf"))


class StoredKeyRing(Secret):
    """The ring of signing keys in its secret."""

    def current(self) -> KeyRing:
        """The ring, at most a minute old. Raises `Unavailable`."""
        return KeyRing.from_secret(json.loads(self.value(RING_CACHE.total_seconds())))


class TwilioAuthTokens:
    """Tenants' Twilio auth tokens, a secret each, kept for a minute once they are read.

    A secret each and not one for all: each is read, changed and audited on its own, and there is no
    limit to their number. Those who use none cost nothing, not even a client.
    """

    _MAX_AGE: Final = 60.0
    _MAX_KEPT: Final = 256
    _MISSING: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException"})

    def __init__(self, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._prefix = prefix
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def __repr__(self) -> str:
        return f"TwilioAuthTokens({self._prefix!r})"

    def read(self, tenant_id: str) -> str | None:
        """A tenant's token, at most a minute old, or None if it has none. Raises `Unavailable`."""
        read_at, token = self._kept.get(tenant_id, (0.0, None))
        if token is not None and self._clock() - read_at <= self._MAX_AGE:
            return token
        self._kept.pop(tenant_id, None)
        try:
            with unavailable("secretsmanager"):
                answer = self._client.get_secret_value(SecretId=self._name(tenant_id))
        except ClientError as error:
            # The second is one that waits to be deleted for good.
            if error.response["Error"]["Code"] in self._MISSING:
                return None
            raise
        token = answer["SecretString"]
        self._kept[tenant_id] = (self._clock(), token)
        if len(self._kept) > self._MAX_KEPT:
            self._kept.popitem(last=False)
        return token

    def is_stored(self, tenant_id: str) -> bool:
        """Whether a tenant has a token, without reading it. Raises `Unavailable`."""
        try:
            with unavailable("secretsmanager"):
                answer = self._client.describe_secret(SecretId=self._name(tenant_id))
        except self._client.exceptions.ResourceNotFoundException:
            return False
        return "DeletedDate" not in answer

    def store(self, tenant_id: str, token: str) -> None:
        """Give a tenant a token, in place of the one that it has. Raises `Unavailable`."""
        name = self._name(tenant_id)
        with unavailable("secretsmanager"):
            try:
                self._client.put_secret_value(SecretId=name, SecretString=token)
            except self._client.exceptions.ResourceNotFoundException:
                self._client.create_secret(
                    Name=name,
                    SecretString=token,
                    Description=f"Twilio auth token of the Callstream tenant {tenant_id}",
                )

    def delete(self, tenant_id: str) -> None:
        """Forget a tenant's token for good; fine if it has none. Raises `Unavailable`."""
        missing = self._client.exceptions.ResourceNotFoundException
        with unavailable("secretsmanager"), suppress(missing):
            # Without recovery: it is at Twilio still, and may be set again at once.
            self._client.delete_secret(
                SecretId=self._name(tenant_id), ForceDeleteWithoutRecovery=True
            )

    def _name(self, tenant_id: str) -> str:
        # The one character of tenants' ids that is not allowed in names of secrets, for one that is
        # in no tenant's id.
        return self._prefix + tenant_id.replace(":", "=")

    @cached_property
    def _client(self) -> "SecretsManagerClient":
        return _client()


def rotate_signing_keys(secret_id: str, now: datetime) -> KeyRing:
    """Add a signing key, which signs from a minute on. The ring as it is then.

    Raises:
        Unavailable: Secrets Manager failed; nothing has changed.
    """
    ring = StoredKeyRing(secret_id).current().rotated(now)
    with unavailable("secretsmanager"):
        _client().put_secret_value(SecretId=secret_id, SecretString=json.dumps(ring.to_secret()))
    return ring
