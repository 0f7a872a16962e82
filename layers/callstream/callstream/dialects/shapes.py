"""The shape of a message, which distinguishes the dialects without reading the message's values.

The carriers share API Gateway's routes, since all of them name a message by `event`. Looking at a
few field names at the top of each message costs about a microsecond, and needs neither a database
nor a memory of the connection's earlier messages. Most frames do without: see `one_pass`.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from callstream.errors import UnreadableMessage


class Shape(Struct):
    """Which of the distinguishing fields a message has; their values are not read."""

    event: str
    stream_id: Raw | UnsetType = UNSET
    sequence_number: Raw | UnsetType = UNSET
    stream_sid: Raw | UnsetType = msgspec.field(default=UNSET, name="streamSid")
    sequence_number_camel: Raw | UnsetType = msgspec.field(default=UNSET, name="sequenceNumber")
    protocol: Raw | UnsetType = UNSET
    version: Raw | UnsetType = UNSET
    dtmf: Raw | UnsetType = UNSET
    connected: Raw | UnsetType = UNSET

    @property
    def is_snake(self) -> bool:
        """Whether the message has `stream_id` or `sequence_number`, as only Telnyx's do."""
        return self.stream_id is not UNSET or self.sequence_number is not UNSET

    @property
    def has_stream_sid(self) -> bool:
        """Whether the message has `streamSid` at the top."""
        return self.stream_sid is not UNSET

    @property
    def has_sequence_number(self) -> bool:
        """Whether the message has `sequenceNumber`."""
        return self.sequence_number_camel is not UNSET

    @property
    def has_protocol(self) -> bool:
        """Whether the message has `protocol`, as only `connected` does."""
        return self.protocol is not UNSET

    @property
    def has_handshake(self) -> bool:
        """Whether it has `connected`, an object of what the handshake said."""
        return self.connected is not UNSET

    def is_version(self, version: str) -> bool:
        """Whether the message's `version` is this one."""
        return self.version is not UNSET and bytes(self.version) == f'"{version}"'.encode()

    @property
    def names_dtmf_track(self) -> bool:
        """Whether the message's `dtmf` object has a `track`."""
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
        UnreadableMessage: `not_json`, or `not_as_documented` if the text is not an object with an
        `event`.
    """
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise UnreadableMessage("not_as_documented", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableMessage("not_json", str(error)) from None
