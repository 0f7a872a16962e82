"""The demo tenant's connection to the stand-in, stored by Telnyx's own endpoint."""

from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from callstream_cli.gateway import store_dialogflow_connection
from callstream_cli.local.description import StackDescription

CONNECTION_ID: Final = "demo"
_PROJECT: Final = "callstream-demo"
_ACCOUNT: Final = f"agent@{_PROJECT}.iam.gserviceaccount.com"
# The usual values of Google's key files.
_EXPONENT: Final = 65_537
_BITS: Final = 2048


def store(stack: StackDescription, profile: str) -> None:
    """Let the described tenant's connection lead to the stand-in.

    Args:
        stack: the local stack.
        profile: the id of the conversation profile.

    Raises:
        GatewayError: the connection is not stored.
    """
    body = {
        "service_account": _throw_away_key(),
        "dialogflow_api": "cx",
        "conversation_profile_id": profile,
        "location": "global",
    }
    store_dialogflow_connection(stack, CONNECTION_ID, body)


@cache
def _throw_away_key() -> dict[str, str]:
    """A key file as Google's, which opens nothing."""
    key = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": _PROJECT,
        "private_key_id": "0" * 40,
        "private_key": pem.decode(),
        "client_email": _ACCOUNT,
        "client_id": "0" * 21,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
