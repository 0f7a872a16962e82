"""What tells the dialects apart: the shape of a message, without reading what is in it.

The carriers share API Gateway's routes, since all of them name a message by `event`. Looking at a
few names at the top of each message costs a fraction of a microsecond, and needs neither a database
nor a memory of what the connection said before.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from callstream.errors import UnreadableMessage


class Shape(Struct):
    """Which of the telling fields a message has; their values are not looked at."""

    event: str
    stream_id: Raw | UnsetType = UNSET
    sequence_number: Raw | UnsetType = UNSET
    stream_sid: Raw | UnsetType = msgspec.field(default=UNSET, name="streamSid")
    sequence_number_camel: Raw | UnsetType = msgspec.field(default=UNSET, name="sequenceNumber")
    protocol: Raw | UnsetType = UNSET
    version: Raw | UnsetType = UNSET
    dtmf: Raw | UnsetType = UNSET

    @property
    def is_snake(self) -> bool:
        """Whether it names itself or its stream in snake_case, as only Telnyx does."""
        return self.stream_id is not UNSET or self.sequence_number is not UNSET

    @property
    def has_stream_sid(self) -> bool:
        """Whether it has `streamSid` at the top."""
        return self.stream_sid is not UNSET

    @property
    def has_sequence_number(self) -> bool:
        """Whether it has `sequenceNumber`."""
        return self.sequence_number_camel is not UNSET

    @property
    def has_protocol(self) -> bool:
        """Whether it has `protocol`, as only `connected` does."""
        return self.protocol is not UNSET

    def is_version(self, version: str) -> bool:
        """Whether its `version` is this one."""
        return self.version is not UNSET and bytes(self.version) == f'"{version}"'.encode()

    @property
    def names_dtmf_track(self) -> bool:
        """Whether its `dtmf` object has a `track`."""
        if self.dtmf is UNSET:
            return False
        try:
            return _dtmf_decoder.decode(self.dtmf).track is not UNSET
        except msgspec.DecodeError:
            return False


class _Dtmf(Struct):
    track: Raw | UnsetType = UNSET


_decoder: Final = msgspec.json.Decoder(Shape)
_dtmf_decoder: Final = msgspec.json.Decoder(_Dtmf)


def shape_of(text: str | bytes) -> Shape:
    """The shape of a message.

    Raises:
        UnreadableMessage: `not_json`, or `not_as_documented` if it is no object with an `event`.
    """
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise UnreadableMessage("not_as_documented", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableMessage("not_json", str(error)) from None
