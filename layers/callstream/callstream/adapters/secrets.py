"""Secrets Manager: the signing keys and the pepper of credential hashes."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.session import get_session

from callstream.adapters._aws import CONFIG, unavailable
from callstream.tokens import RING_CACHE, KeyRing

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


def rotate_signing_keys(secret_id: str, now: datetime) -> KeyRing:
    """Add a signing key, which signs from a minute on. The ring as it is then.

    Raises:
        Unavailable: Secrets Manager failed; nothing has changed.
    """
    ring = StoredKeyRing(secret_id).current().rotated(now)
    with unavailable("secretsmanager"):
        _client().put_secret_value(SecretId=secret_id, SecretString=json.dumps(ring.to_secret()))
    return ring
