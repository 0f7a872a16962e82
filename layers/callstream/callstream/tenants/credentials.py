"""Credentials: random, shown once, stored as keyed hashes.

A credential is a public id and a secret. Where a vendor has pairs, they travel apart; where it has
one key, the key is `<prefix><id>_<secret>`, so that the id still finds the stored credential.

Secrets are long and random, so one HMAC with a pepper from Secrets Manager is enough: a leaked
table reveals no secret, and a check costs microseconds.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Final, override

from callstream.errors import Unauthenticated
from callstream.tenants.directory import Surface, Tenant

_API_KEY: Final = "SK"
_AUTH_TOKEN_ID_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class CredentialForm:
    """How a surface's credentials look to their owner.

    Attributes:
        scopes: what a credential can be good for. New credentials are good for all of it.
        key_prefix: how one key of both halves begins, in the fashion of the vendor's own keys; None
            if the vendor has pairs.
        key_name: the vendor's name for the key.
        has_project: whether the tenant's project id is shown with the key.
    """

    scopes: frozenset[str]
    key_prefix: str | None = None
    key_name: str = "api_key"
    has_project: bool = False

    def new_id(self) -> str:
        """A public half: 64 random bits."""
        return new_id()

    def join(self, credential_id: str, secret: str) -> str:
        """One key of an id and a secret."""
        return f"{self.key_prefix}{credential_id}_{secret}"

    def show(self, tenant: Tenant, credential_id: str, secret: str) -> dict[str, str]:
        """A new credential by the names that the vendor uses."""
        if self.key_prefix is None:
            return {"id": credential_id, "secret": secret}
        project = {"project_id": str(tenant.project_id)} if self.has_project else {}
        return project | {self.key_name: self.join(credential_id, secret)}

    def split(self, key: str) -> tuple[str, str]:
        """The id and the secret of one key.

        Raises:
            Unauthenticated: the key has another form.
        """
        prefix = self.key_prefix or ""
        credential_id, separator, secret = key.removeprefix(prefix).partition("_")
        if not key.startswith(prefix) or not separator:
            raise Unauthenticated("not a key of ours")
        return credential_id, secret


@dataclass(frozen=True, slots=True)
class AccountForm(CredentialForm):
    """How Twilio's credentials look: pairs of a user and a password.

    A user is the tenant's AccountSid, and the password its AuthToken, which also signs callbacks;
    or a user is the sid of an API key, and the password the key's secret.
    """

    @override
    def new_id(self) -> str:
        """The sid of a new API key."""
        return f"{_API_KEY}{token_hex(16)}"

    @override
    def show(self, tenant: Tenant, credential_id: str, secret: str) -> dict[str, str]:
        account = {"account_sid": tenant.account_id("twilio")}
        if credential_id.startswith(_API_KEY):
            return account | {"api_key": credential_id, "api_secret": secret}
        return account | {"auth_token": secret}

    def id_of(self, user: str, password: str) -> str:
        """The id of the credential that a pair is.

        An account may have several AuthTokens at a time while the tenant changes to a new one, so
        the beginning of an AuthToken is part of its id; the remaining 96 bits are secret.
        """
        if user.startswith(_API_KEY):
            return user
        return f"{user}.{password[:_AUTH_TOKEN_ID_DIGITS]}"


TWILIO_FORM: Final = AccountForm(frozenset({"Voice"}))
CREDENTIAL_FORMS: Final[Mapping[Surface, CredentialForm]] = {
    "asapp": CredentialForm(frozenset({"genagent", "autotranscribe"})),
    "clerk": CredentialForm(frozenset({"twilio-connector"}), "ck_"),
    "telnyx": CredentialForm(frozenset({"call-control"}), "KEY"),
    "signalwire": CredentialForm(
        frozenset({"Voice"}), "PT", key_name="api_token", has_project=True
    ),
    "twilio": TWILIO_FORM,
}
"""The form of every surface's credentials."""


def new_id() -> str:
    """A public half: 64 random bits."""
    return token_hex(8)


def new_secret() -> str:
    """A secret half: 256 random bits."""
    return token_urlsafe(32)


def hash_secret(secret: str, pepper: str) -> str:
    """The keyed hash of a secret, which is what is stored."""
    text = secret.encode("utf-8", "surrogatepass")
    return hmac.new(pepper.encode(), text, hashlib.sha256).hexdigest()


def matches(secret: str, pepper: str, stored_hash: str) -> bool:
    """Whether a secret is the stored one, in constant time."""
    return hmac.compare_digest(hash_secret(secret, pepper), stored_hash)
