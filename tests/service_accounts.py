"""Key files of service accounts that Google does not know."""

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@cache
def private_key(bits: int = 2048) -> str:
    """An RSA key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_file(**fields: Any) -> dict[str, Any]:
    """A key file with all fields that Google's have, and these instead of the usual ones."""
    usual = {
        "type": "service_account",
        "project_id": "pizza-1",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": private_key(),
        "client_email": "dialogflow@pizza-1.iam.gserviceaccount.com",
        "client_id": "123456789012345678901",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/dialogflow",
        "universe_domain": "googleapis.com",
    }
    return usual | fields
