"""The bodies of SignalWire's requests and answers."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from callstream.dialects.events import Tracks
from callstream.surfaces.call_streams_models import API_VERSION, NewStreamForm, StreamError

_MORE_INFO: Final = "https://developer.signalwire.com/rest/compatibility-api/overview/error-codes"


class CreateStreamBody(NewStreamForm):
    """A new stream. The extra fields are `Parameter1.Name` and `Parameter1.Value` to 99.

    `authorization_bearer_token` is a secret, too: never log it.
    """

    track: Tracks = "both_tracks"
    # The characters that a header's value may have.
    authorization_bearer_token: (
        Annotated[str, Field(max_length=4096, pattern=r"^[\x21-\x7e]+$")] | None
    ) = None


class Stream(BaseModel):
    """A stream as both generations of the vendor's documents have it."""

    sid: str
    account_sid: str
    call_sid: str
    api_version: Literal["2010-04-01"] = API_VERSION
    name: str | None
    status: Literal["in-progress", "stopped"]
    date_updated: str
    error_code: str | None
    uri: str


class Error(StreamError):
    """The body of every error. `code` is the vendor's own number, `status` the HTTP status."""

    more_info: str = _MORE_INFO
