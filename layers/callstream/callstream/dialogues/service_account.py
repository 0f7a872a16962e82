"""The key files of Google's service accounts, looked at when they are stored.

Only what is needed to sign is kept of a file. Addresses in it are not used: a file may come from
anybody, and credentials of other kinds name URLs to ask and commands to run. Source: Google's page
"AIP-4112: Service account keys" for the fields; Google's library checks neither `type` nor
`universe_domain`.
"""

from typing import Annotated, Final, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from callstream.dialogues.connections import ProjectId

_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - not a secret
# Google makes keys of 2048 bits. To check a key of many times as many bits would take minutes.
_BITS: Final = range(2048, 4096 + 1)
# A key of 4096 bits has 3272 characters.
_MOST_CHARACTERS: Final = 4000


def _normal_private_key(text: str) -> str:
    """The same key, in the one form that all libraries read, without anything beside it."""
    # Only the functions that store keys have this library, and it takes long to import.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(text.encode(), password=None)
    # A key with a password is a TypeError, an unknown kind is UnsupportedAlgorithm.
    except Exception:  # noqa: BLE001
        raise PydanticCustomError(
            "value", "The value must be a private key in PEM, whole and without a password"
        ) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size not in _BITS:
        raise PydanticCustomError(
            "value", f"The value must be an RSA key of {_BITS.start} to {_BITS.stop - 1} bits"
        )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class ServiceAccount(BaseModel):
    """A key file, as Google gives it; other fields are dropped.

    Only a service account's own key is taken, only of the public cloud, and no credentials of
    another kind.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    type: Literal["service_account"]
    project_id: ProjectId
    private_key_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    private_key: Annotated[
        str, Field(max_length=_MOST_CHARACTERS, repr=False), AfterValidator(_normal_private_key)
    ]
    client_email: Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9.-]{1,200}$")]
    universe_domain: Literal["googleapis.com"] = "googleapis.com"

    def to_secret(self) -> str:
        """What is stored: JSON that Google's library reads, with Google's own addresses."""
        fields = self.model_dump(exclude={"universe_domain"})
        return msgspec.json.encode(fields | {"token_uri": _TOKEN_URI}).decode()
