"""Secrets Manager: signing keys, the pepper of credential hashes, the secrets of tenants."""

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
    """One secret, read when needed and cached."""

    def __init__(self, secret_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret_id = secret_id
        self._clock = clock
        self._client = _client()
        self._value: str | None = None
        self._read_at = 0.0

    def value(self, max_age: float) -> str:
        """The secret, read at most `max_age` seconds ago. Raises `Unavailable`."""
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
        """The secret. Raises `Unavailable`."""
        return self._secret.value(float("inf"))


class StoredKeyRing(Secret):
    """The ring of signing keys in its secret."""

    def current(self) -> KeyRing:
        """The ring, at most a minute old. Raises `Unavailable`."""
        return KeyRing.from_secret(json.loads(self.value(RING_CACHE.total_seconds())))


class _TenantSecrets:
    """Secrets of tenants, each a secret of its own.

    With separate secrets each is read, changed and audited on its own, and their number is
    unlimited. Without secrets nothing is spent, not even on a client.
    """

    _MISSING: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException"})

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._prefix!r})"

    def _read(self, name: str) -> str | None:
        try:
            with unavailable("secretsmanager"):
                answer = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            # The second code is for a secret that waits for its deletion.
            if error.response["Error"]["Code"] in self._MISSING:
                return None
            raise
        return answer["SecretString"]

    def _create(self, name: str, value: str, description: str) -> None:
        self._client.create_secret(Name=name, SecretString=value, Description=description)

    def _delete(self, name: str) -> None:
        """Delete a secret for good, if it is there. Raises `Unavailable`."""
        missing = self._client.exceptions.ResourceNotFoundException
        with unavailable("secretsmanager"), suppress(missing):
            # Without recovery: the tenant has the secret elsewhere, and may store it again at once.
            self._client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def _name(self, tenant_id: str, *parts: str) -> str:
        # Names of secrets allow no colon, which ids may have; no id has `=` or a slash.
        return self._prefix + "/".join((tenant_id, *parts)).replace(":", "=")

    @cached_property
    def _client(self) -> "SecretsManagerClient":
        return _client()


class TwilioAuthTokens(_TenantSecrets):
    """Tenants' Twilio auth tokens, cached for a minute."""

    _MAX_AGE: Final = 60.0
    _MAX_KEPT: Final = 256

    def __init__(self, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(prefix)
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def read(self, tenant_id: str) -> str | None:
        """A tenant's token, at most a minute old, or None if it has none. Raises `Unavailable`."""
        read_at, token = self._kept.get(tenant_id, (0.0, None))
        if token is not None and self._clock() - read_at <= self._MAX_AGE:
            return token
        self._kept.pop(tenant_id, None)
        token = self._read(self._name(tenant_id))
        if token is None:
            return None
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
        """Store a tenant's token, in place of an earlier token. Raises `Unavailable`."""
        name = self._name(tenant_id)
        with unavailable("secretsmanager"):
            try:
                self._client.put_secret_value(SecretId=name, SecretString=token)
            except self._client.exceptions.ResourceNotFoundException:
                self._create(name, token, f"Twilio auth token of the Callstream tenant {tenant_id}")

    def delete(self, tenant_id: str) -> None:
        """Delete a tenant's token for good, if it has one. Raises `Unavailable`."""
        self._delete(self._name(tenant_id))


class StoredAgentKeys(_TenantSecrets):
    """The keys of tenants' connections to virtual agents; each version is a secret of its own."""

    def store(self, tenant_id: str, connection_id: str, version: str, key: str) -> None:
        """Store a key under a version that is new. Raises `Unavailable`."""
        about = f"Key of the connection {connection_id} of the Callstream tenant {tenant_id}"
        with unavailable("secretsmanager"):
            self._create(self._name(tenant_id, connection_id, version), key, about)

    def read(self, tenant_id: str, connection_id: str, version: str) -> str | None:
        """A key; None if there is no such key. Raises `Unavailable`."""
        return self._read(self._name(tenant_id, connection_id, version))

    def delete(self, tenant_id: str, connection_id: str, version: str) -> None:
        """Delete a key for good, if it is there. Raises `Unavailable`."""
        self._delete(self._name(tenant_id, connection_id, version))

    def delete_all(self, tenant_id: str) -> None:
        """Delete all keys of a tenant, also keys that no connection names. Raises `Unavailable`.

        Needs the right to list all secrets of the account, which no function has.
        """
        prefix = self._name(tenant_id, "")
        pages = self._client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [prefix]}]
        )
        with unavailable("secretsmanager"):
            names = [each["Name"] for page in pages for each in page["SecretList"]]
        for name in names:
            # Whatever the filter finds: a secret that is deleted is gone.
            if name.startswith(prefix):
                self._delete(name)


def rotate_signing_keys(secret_id: str, now: datetime) -> KeyRing:
    """Add a signing key, which signs after a minute.

    Returns:
        The ring with the new key.

    Raises:
        Unavailable: Secrets Manager failed; nothing has changed.
    """
    ring = StoredKeyRing(secret_id).current().rotated(now)
    with unavailable("secretsmanager"):
        _client().put_secret_value(SecretId=secret_id, SecretString=json.dumps(ring.to_secret()))
    return ring
