"""The bodies of Telnyx's requests and answers, as its OpenAPI specification has them."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from callstream.dialects.events import Tracks
from callstream.surfaces.urls import MAX_LENGTH, WEBSOCKETS, check_url

Codec = Literal["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16"]
SamplingRate = Literal[8000, 16000, 22050, 24000, 48000]

# The rates of codecs that have no others. Packets of OPUS and AMR-WB say their rate themselves.
_RATES: Final[Mapping[Codec, Sequence[SamplingRate]]] = {
    "PCMU": (8000,),
    "PCMA": (8000,),
    "G722": (8000, 16000),
}

# RFC 9110, 5.5, without the obsolete characters.
_HEADER_VALUE: Final = r"^([!-~]([ -~]*[!-~])?)?$"
_NO_WEBSOCKET_URL: Final = (
    "The URL must begin with ws:// or wss://, name a host and have at most 2000 characters"
)


def _check_base64(text: str) -> str:
    try:
        b64decode(text, validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "The value must be valid Base64") from None
    return text


def _check_header_value(text: str) -> str:
    if not re.fullmatch(_HEADER_VALUE, text):
        raise PydanticCustomError(
            "value", "The value must be ASCII without control characters, and not end with a space"
        )
    return text


AuthToken = Annotated[
    str,
    Field(max_length=4000, json_schema_extra={"pattern": _HEADER_VALUE}),
    AfterValidator(_check_header_value),
]
ClientState = Annotated[
    str, AfterValidator(_check_base64), Field(json_schema_extra={"contentEncoding": "base64"})
]


# In UTF-8 it must still fit into a DynamoDB key.
CommandId = Annotated[str, Field(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DialogflowConfig(_Model):
    """How Dialogflow takes part in the call."""

    analyze_sentiment: bool = False
    partial_automated_agent_reply: bool = False


class CustomParameter(_Model):
    """A parameter for the start message that the consumer gets."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    value: str = ""


class _Command(_Model):
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class StreamingStart(_Command):
    """Stream a call's audio to a WebSocket, let Dialogflow take part in the call, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["stream_url"]},
                {
                    "properties": {"enable_dialogflow": {"const": True}},
                    "required": ["enable_dialogflow"],
                },
            ]
        }
    )

    # Before `stream_url`, whose validator reads this field.
    enable_dialogflow: bool = False
    dialogflow_config: DialogflowConfig | None = None
    stream_url: Annotated[
        str | None,
        # A factory: its value does not appear in the schema as a default.
        Field(default_factory=str, validate_default=True),
        WithJsonSchema(
            {"type": "string", "pattern": r"^[Ww][Ss]{1,2}://\S+$", "maxLength": MAX_LENGTH}
        ),
    ]
    stream_track: Tracks = "inbound_track"
    stream_codec: Literal[Codec, "default"] = "default"
    stream_bidirectional_mode: Literal["mp3", "rtp"] = "mp3"
    stream_bidirectional_codec: Codec = "PCMU"
    stream_bidirectional_sampling_rate: SamplingRate = 8000
    stream_bidirectional_target_legs: Literal["both", "self", "opposite"] = "opposite"
    stream_auth_token: AuthToken | None = None
    custom_parameters: Annotated[list[CustomParameter], Field(max_length=100)] = []

    @field_validator("custom_parameters")
    @classmethod
    def _check_names(cls, parameters: list[CustomParameter]) -> list[CustomParameter]:
        # The start message has the parameters by name.
        if len({each.name for each in parameters}) < len(parameters):
            raise PydanticCustomError("value", "Each name may be there once")
        return parameters

    @field_validator("stream_bidirectional_sampling_rate")
    @classmethod
    def _check_rate(cls, rate: SamplingRate, info: ValidationInfo) -> SamplingRate:
        # A field that is invalid itself is missing here.
        codec = info.data.get("stream_bidirectional_codec", "")
        rates = _RATES.get(codec, [rate])
        if info.data.get("stream_bidirectional_mode") == "rtp" and rate not in rates:
            known = " or ".join(map(str, rates))
            raise PydanticCustomError("value", f"{codec} has a sampling rate of {known} Hz")
        return rate

    @field_validator("stream_url")
    @classmethod
    def _check_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url:
            check_url(url, WEBSOCKETS, _NO_WEBSOCKET_URL)
            return url
        # An `enable_dialogflow` that is missing here is invalid, and has an issue of its own.
        if info.data.get("enable_dialogflow") is False:
            raise PydanticCustomError("missing", "Field required")
        return None


class StreamingStop(_Command):
    """Stop one stream of a call, or all of them."""

    stream_id: str | None = None


class Result(_Model):
    """The result of a command."""

    result: Literal["ok"] = "ok"


class Accepted(_Model):
    """A command was accepted; webhooks notify of what follows."""

    data: Result = Result()


class Source(_Model):
    """The faulty place in the request, as a JSON pointer."""

    pointer: str


class Meta(_Model):
    """The page about an error."""

    url: str


class Error(_Model):
    """One fault."""

    code: str
    title: str
    detail: str
    source: Source | None = None
    meta: Meta | None = None


class Errors(_Model):
    """The body of every error."""

    errors: list[Error]
