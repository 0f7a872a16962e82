"""The bodies of Twilio's requests and answers."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from callstream.dialects.events import Tracks
from callstream.surfaces.call_streams_models import NewStreamForm
from callstream.surfaces.urls import MAX_LENGTH, check_url

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_MAX_PARAMETER: Final = 499
"""How many characters the name and the value of a parameter may have together."""


def _check_stream_url(url: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() != "wss":
        raise PydanticCustomError("value_error", "Only wss is supported")
    if "?" in url:
        raise PydanticCustomError(
            "url", "Query strings are not supported; send Parameter1.Name and Parameter1.Value"
        )
    return check_url(url, {"wss"}, "The URL must be absolute, and without whitespace")


class CreateStreamBody(NewStreamForm):
    """A new stream. The extra fields are `Parameter1.Name` and `Parameter1.Value` to 99."""

    url: Annotated[
        str,
        AfterValidator(_check_stream_url),
        Field(json_schema_extra={"pattern": r"^[Ww][Ss]{2}://[^\s#?]+$", "maxLength": MAX_LENGTH}),
    ]
    track: Tracks = "inbound_track"

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        for number, (name, value) in enumerate(self.parameters.items(), 1):
            if len(name) + len(value) > _MAX_PARAMETER:
                raise PydanticCustomError(
                    "value_error",
                    "The name and the value of parameter {number} must have fewer than 500 "
                    "characters together",
                    {"number": number},
                )
        return self


class Stream(BaseModel):
    """A stream."""

    sid: str
    account_sid: str
    call_sid: str
    name: str | None
    status: Literal["in-progress", "stopped"]
    date_updated: str
    uri: str
