"""The forms of credentials, and what is stored of a secret."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from callstream.errors import Unauthenticated
from callstream.tenants.credentials import CREDENTIAL_FORMS, hash_secret, matches
from callstream.tenants.directory import SURFACES, Surface, Tenant
from callstream.tenants.issuing import issue

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TENANT = Tenant(tenant_id="acme", name="Acme", project_id=UUID(int=1), callback_key_id="k")
PROJECT = str(UUID(int=1))
ACCOUNT = "AC00000000000000000000000000000001"


@pytest.mark.parametrize(
    ("surface", "shown"),
    [
        ("asapp", {"id": "abc", "secret": "s_e"}),
        ("clerk", {"api_key": "ck_abc_s_e"}),
        ("telnyx", {"api_key": "KEYabc_s_e"}),
        ("signalwire", {"project_id": PROJECT, "api_token": "PTabc_s_e"}),
        ("twilio", {"account_sid": ACCOUNT, "auth_token": "s_e"}),
    ],
)
def test_credentials_are_shown_in_the_vendors_form(surface: Surface, shown: dict[str, str]) -> None:
    assert CREDENTIAL_FORMS[surface].show(TENANT, "abc", "s_e") == shown


def test_key_is_split_at_its_first_underscore() -> None:
    assert CREDENTIAL_FORMS["telnyx"].split("KEYabc_s_e") == ("abc", "s_e")


@pytest.mark.parametrize(
    "key", ["", "KEY", "KEYabc", "abc_secret", "keyabc_secret", "PTabc_secret"]
)
def test_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(Unauthenticated):
        CREDENTIAL_FORMS["telnyx"].split(key)


@pytest.mark.parametrize("surface", SURFACES)
def test_issued_credential_has_all_scopes_and_a_hash_of_the_secret(surface: Surface) -> None:
    issued = issue(TENANT, surface, "pepper", NOW)
    secret = list(issued.shown.values())[-1]
    if CREDENTIAL_FORMS[surface].key_prefix is not None:
        _, secret = CREDENTIAL_FORMS[surface].split(secret)

    assert issued.credential.scopes == CREDENTIAL_FORMS[surface].scopes
    assert matches(secret, "pepper", issued.credential.secret_hash)
    assert secret not in repr(issued)


def test_secret_matches_its_own_hash_only() -> None:
    stored = hash_secret("secret", "pepper")

    assert matches("secret", "pepper", stored)
    assert not matches("Secret", "pepper", stored)
    assert not matches("secret", "salt", stored)
    assert not matches("secret", "pepper", "")
