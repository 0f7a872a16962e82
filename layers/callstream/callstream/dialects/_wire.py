"""What the dialects share: messages as JSON, read into and written from their documented fields."""

from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta, Struct, structs

from callstream.errors import UnreadableMessage

type Fields = dict[str, Any]
"""A JSON object."""

# Part of a DynamoDB key, which has at most 2048 bytes.
Name = Annotated[str, Meta(min_length=1, max_length=400)]
"""An identifier of the carrier's."""


class Documented(Struct, forbid_unknown_fields=True):
    """The fields of an object in a message, as the vendor documents them."""


class MediaFormat(Documented, rename="camel"):
    """Rate in Hz."""

    encoding: str
    sample_rate: Annotated[int, Meta(gt=0, le=192_000)]
    channels: Annotated[int, Meta(gt=0, le=8)]


class Reader[T]:
    """Reads one dialect's messages of one direction. What it does not know, it keeps.

    Nearly every message has documented fields and no others: those are read in one go. Only where
    that fails is the message read again, for its unknown fields, or for what is wrong.

    Args:
        messages: a union of `Documented` structs, tagged by `event`.
    """

    def __init__(self, messages: Any) -> None:  # noqa: ANN401  # a union is no type
        self._messages = messages
        self._kinds: Final[dict[str, type[Struct]]] = {
            str(kind.__struct_config__.tag): kind for kind in get_args(messages)
        }
        # strict=False reads the counters out of their strings.
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(messages, strict=False)

    def read(self, text: str | bytes) -> tuple[T, str]:
        """One message, and its unknown fields as JSON text.

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


def write(message: Fields, extra: str = "") -> str:
    """A message as JSON text, with the unknown fields of the one that it was read from."""
    if extra:
        _add(message, _anything.decode(extra))
    return msgspec.json.encode(message).decode()


_NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
# Unknown fields are written again, by us and by readers in other languages. How deep each of them
# can go depends on who asks; every one of them can go so deep.
_MOST_LEVELS: Final = 100
_anything: msgspec.json.Decoder[Fields] = msgspec.json.Decoder(Fields)


def _take_unknown(kind: type[Struct], fields: Fields) -> Fields:
    """Take out of an object, and out of the objects in it, what is not documented."""
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
    """Whether there are more than so many objects and lists within each other."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)


def _struct_of(annotation: Any) -> type[Struct] | None:  # noqa: ANN401
    """The struct in a field's type, if it has one."""
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
