"""The bodies of Telnyx's Dialogflow connections, as its OpenAPI specification has them."""

from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from callstream.dialogues.connections import Location, Name
from callstream.dialogues.service_account import ServiceAccount

_MASK: Final = "****"


def _decoded(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The object itself, also of a text that has the object's JSON, as Telnyx's guide sends it."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise PydanticCustomError("value", "The text must be the JSON of a key file") from None


class DialogflowConnection(BaseModel):
    """The credentials of a Dialogflow agent, and where the agent is."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    service_account: Annotated[ServiceAccount, BeforeValidator(_decoded)]
    dialogflow_api: Literal["cx", "es"] = "es"
    conversation_profile_id: Annotated[Name | None, Field(validate_default=True)] = None
    location: Annotated[Location | None, Field(validate_default=True)] = None
    environment: Name | None = None

    @field_validator("conversation_profile_id", "location")
    @classmethod
    def _check_cx(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("dialogflow_api") == "cx":
            raise PydanticCustomError("missing", "Field required")
        return value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StoredConnection(_Model):
    """A stored connection."""

    record_type: Literal["dialogflow_connections"] = "dialogflow_connections"
    connection_id: str
    conversation_profile_id: str | None
    environment: str | None
    service_account: Literal["****"] = _MASK


class DialogflowConnectionAnswer(_Model):
    """The answer about a stored connection, whose key is never shown."""

    data: StoredConnection
