"""Recognises and reads a frame of any carrier in one pass, which is nearly every message.

The carriers write a frame alike but for its number and its stream's id, whose names distinguish
them, as in `shapes`. A message that is anything else, or has anything more, is left to the two
passes of `recognise` and the dialect's `parse`: this module only saves their time.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from callstream.dialects._wire import Documented, MediaBody, OtherName
from callstream.dialects.events import Counter, Media


class _Frame(Documented):
    # Not a tag, which a message may leave out where there is no other.
    event: Literal["media"]
    media: MediaBody
    sequence_number: Counter | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    sequence_number_camel: Counter | UnsetType = field(default=UNSET, name="sequenceNumber")
    stream_sid: OtherName | UnsetType = field(default=UNSET, name="streamSid")


# strict=False reads the counters out of their strings.
_decoder: Final = msgspec.json.Decoder(_Frame, strict=False)


def read_frame(text: str | bytes) -> tuple[str, Media] | None:
    """The dialect and the event of a frame; None if the message needs the two passes."""
    try:
        frame = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    number = frame.sequence_number
    if number is UNSET:
        number = frame.sequence_number_camel
        if number is UNSET or frame.stream_id is not UNSET:
            return None
        dialect = "signalwire" if frame.stream_sid is UNSET else "twilio"
    elif frame.sequence_number_camel is UNSET and frame.stream_sid is UNSET:
        dialect = "telnyx"
    else:
        return None
    media = frame.media
    return dialect, Media(number, media.track, media.chunk, media.timestamp, media.payload)
