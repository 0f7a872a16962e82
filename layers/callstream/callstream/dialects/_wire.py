"""JSON messages, read into and written from their documented fields: common to all dialects."""

from base64 import b64encode
from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta, Struct, structs

from callstream.dialects.events import Counter, Media, Track
from callstream.errors import UnreadableMessage

type Fields = dict[str, Any]
"""A JSON object."""

# Part of a DynamoDB key, which has at most 2048 bytes.
Name = Annotated[str, Meta(min_length=1, max_length=400)]
"""An identifier that the carrier gives."""


class Documented(Struct, forbid_unknown_fields=True):
    """The fields of an object in a message, as the vendor documents them."""


class MediaBody(Documented):
    """The `media` object, which is the same for all carriers."""

    track: Track
    chunk: Counter
    timestamp: Counter
    payload: bytes


class MarkBody(Documented):
    """The `mark` object, which is the same for all carriers."""

    name: str


class Reader[T]:
    """Reads one dialect's messages of one direction, and keeps their unknown fields.

    Nearly every message has documented fields only, and is read in one pass. Only if that pass
    fails is the message read again, to find its unknown fields or its fault.

    Args:
        messages: a union of `Documented` structs, tagged by `event`.
    """

    def __init__(self, messages: Any) -> None:  # noqa: ANN401  # a union is not a type
        self._messages = messages
        self._kinds: Final[dict[str, type[Struct]]] = {
            str(kind.__struct_config__.tag): kind for kind in get_args(messages)
        }
        # strict=False reads the counters out of their strings.
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(messages, strict=False)

    def read(self, text: str | bytes) -> tuple[T, str]:
        """Read one message; return it and its unknown fields as JSON text.

        Raises:
            UnreadableMessage: with reason `not_json` (not JSON, not UTF-8, nested too deep) or
                `not_as_documented` (an unknown event, a missing or wrong field, bad base64).
        """
        try:
            return self._decoder.decode(text), ""
        except msgspec.ValidationError:
            return self._read_leniently(text)
        except _NOT_JSON as error:
            raise UnreadableMessage("not_json", str(error)) from None

    def _read_leniently(self, text: str | bytes) -> tuple[T, str]:
        try:
            message = _anything.decode(text)
            kind = self._kinds.get(str(message.get("event")))
            unknown = _take_unknown(kind, message) if kind else {}
            if _is_deeper(unknown, _MOST_LEVELS):
                raise UnreadableMessage("not_json", "unknown fields are nested too deep")
            read: T = msgspec.convert(message, self._messages, strict=False)
            return read, msgspec.json.encode(unknown).decode() if unknown else ""
        except msgspec.ValidationError as error:
            raise UnreadableMessage("not_as_documented", str(error)) from None
        except _NOT_JSON as error:
            raise UnreadableMessage("not_json", str(error)) from None


def media_body(media: Media) -> Fields:
    """The `media` object of an event."""
    return {
        "track": media.track,
        "chunk": str(media.chunk),
        "timestamp": str(media.timestamp),
        "payload": b64encode(media.audio).decode(),
    }


def write(message: Fields, extra: str = "") -> str:
    """Write a message as JSON text, with the unknown fields that `Reader.read` returned."""
    if extra:
        _add(message, _anything.decode(extra))
    return msgspec.json.encode(message).decode()


_NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
# Unknown fields are written again, here and by readers in other languages. JSON libraries differ in
# the depth that they accept; all of them accept this one.
_MOST_LEVELS: Final = 100
_anything: msgspec.json.Decoder[Fields] = msgspec.json.Decoder(Fields)


def _take_unknown(kind: type[Struct], fields: Fields) -> Fields:
    """Remove the undocumented fields from an object and the objects in it, and return them."""
    known = {field.encode_name: field.type for field in structs.fields(kind)}
    unknown: Fields = {}
    for name in list(fields):
        value = fields[name]
        if name == kind.__struct_config__.tag_field:
            continue
        if name not in known:
            unknown[name] = fields.pop(name)
        elif (
            isinstance(value, dict)
            and (inner := _struct_of(known[name]))
            and (rest := _take_unknown(inner, value))
        ):
            unknown[name] = rest
    return unknown


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists are nested deeper than `levels`."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)


def _struct_of(annotation: Any) -> type[Struct] | None:  # noqa: ANN401
    """The struct type in a field's annotation, or None."""
    candidates = (annotation, *get_args(annotation))
    return next((kind for kind in candidates if _is_struct(kind)), None)


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _add(message: Fields, extra: Fields) -> None:
    for name, value in extra.items():
        mine = message.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            _add(mine, value)
        else:
            message.setdefault(name, value)
