"""Key files of service accounts: what is taken, what is kept of it, and what is refused."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from callstream.dialogues.service_account import ServiceAccount
from tests.service_accounts import key_file, private_key


def pem(
    key: Any, form: PrivateFormat = PrivateFormat.PKCS8, *, password: bytes | None = None
) -> str:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    text: bytes = key.private_bytes(Encoding.PEM, form, encryption)
    return text.decode()


def refused(**fields: Any) -> list[tuple[str, str]]:
    """The field and the kind of each fault."""
    with pytest.raises(ValidationError) as error:
        ServiceAccount.model_validate(key_file(**fields))
    assert "PRIVATE KEY" not in str(error.value)
    return [(str(each["loc"][0]), each["type"]) for each in error.value.errors()]


def test_account_keeps_what_is_needed_to_sign_and_no_address_of_others() -> None:
    odd = key_file(
        token_uri="https://evil.example.com/token",
        auth_uri="http://169.254.169.254/",
        credential_source={"executable": {"command": "/bin/sh"}},
    )
    account = ServiceAccount.model_validate(odd)

    assert json.loads(account.to_secret()) == {
        "type": "service_account",
        "project_id": "pizza-1",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": private_key(),
        "client_email": "dialogflow@pizza-1.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    assert "PRIVATE KEY" not in repr(account)


def test_account_keeps_only_the_key_in_its_usual_form() -> None:
    key: Any = load_pem_private_key(private_key().encode(), None)
    certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    written = pem(key, PrivateFormat.TraditionalOpenSSL).replace("\n", "\r\n")

    account = ServiceAccount.model_validate(key_file(private_key=f"# ours\n{written}{certificate}"))

    assert account.private_key == private_key()


def test_account_without_a_universe_is_of_the_public_cloud() -> None:
    older = key_file()
    del older["universe_domain"]

    assert ServiceAccount.model_validate(older).universe_domain == "googleapis.com"


@pytest.mark.parametrize("kind", ["authorized_user", "external_account", "", None, 7])
def test_account_of_another_kind_is_refused(kind: Any) -> None:
    assert refused(type=kind) == [("type", "literal_error")]


def test_account_of_another_universe_is_refused() -> None:
    assert refused(universe_domain="evil.example.com") == [("universe_domain", "literal_error")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my key",
        private_key()[:-100],
        private_key().replace("\n", "\\n"),
        private_key().replace("PRIVATE KEY", "PUBLIC KEY"),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 2048), password=b"secret"),
        "\x00",
    ],
    ids=["empty", "text", "cut", "escaped", "public", "short", "curve", "encrypted", "control"],
)
def test_key_that_cannot_sign_is_refused(text: str) -> None:
    assert refused(private_key=text) in (
        [("private_key", "value")],
        [("private_key", "string_unicode")],
    )


def test_key_that_is_long_is_refused_before_it_is_looked_at() -> None:
    assert refused(private_key=private_key() + "\n" * 4000) == [("private_key", "string_too_long")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("project_id", "pizza/locations/us"),
        ("private_key_id", "a b"),
        ("private_key_id", "x" * 101),
        ("client_email", "nobody"),
        ("client_email", "a@b\r\nHost: c"),
        ("client_email", f"{'a' * 101}@example.com"),
    ],
)
def test_account_with_odd_names_is_refused(field: str, value: str) -> None:
    assert refused(**{field: value}) == [(field, "string_pattern_mismatch")]
