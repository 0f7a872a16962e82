"""JSON messages, read into and written from their documented fields: common to all dialects."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct, structs

from callstream.dialects.events import Counter, Media, Track
from callstream.errors import UnreadableMessage

Fields: TypeAlias = dict[str, Any]
"""A JSON object."""

# No carrier documents identifiers with characters that are not visible: controls, line separators,
# marks of no width or of direction. An operator would read another identifier than the real one.
_VISIBLE: Final = r"\A[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+\Z"
# Part of a DynamoDB key, which has at most 2048 bytes.
Name = Annotated[str, Meta(min_length=1, max_length=400, pattern=_VISIBLE)]
"""An identifier that the carrier gives, and on which the call depends."""
OtherName = Annotated[str, Meta(max_length=400)]
"""A name or number of the carrier's, on which nothing depends; empty if the carrier gives none."""


class Documented(Struct, forbid_unknown_fields=True):
    """The fields of an object in a message, as the vendor documents them.

    A field with a default is one that nothing depends on: a value that does not fit is kept in
    `extra`, and does not refuse the message.
    """


class MediaBody(Documented):
    """The `media` object, which is the same for all carriers."""

    track: Track
    timestamp: Counter
    payload: bytes
    chunk: Counter = 0


class MarkBody(Documented):
    """The `mark` object, which is the same for all carriers."""

    name: str


T = TypeVar("T")


class Reader(Generic[T]):
    """Reads one dialect's messages of one direction, and keeps their unknown fields.

    Nearly every message is as documented, and is read in one pass. Any other message is read again,
    leniently: null is absent, a number is text where text is documented, and `extra` keeps unknown
    fields and odd values of fields that nothing depends on.

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
                `not_as_documented` (an unknown event; a field on which the message depends is
                missing or wrong; bad base64).
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
            unknown = _take_unfit(kind, message) if kind else {}
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
        "payload": media.audio,
    }


def write(message: Fields, extra: str = "") -> str:
    """Write a message as JSON text, with the unknown fields that `Reader.read` returned.

    Audio is given as bytes, and written as base64.
    """
    if extra:
        _add(message, _anything.decode(extra))
    return msgspec.json.encode(message).decode()


_NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
# Unknown fields are written again, here and by readers in other languages. JSON libraries differ in
# the depth that they accept; all of them accept this one.
_MOST_LEVELS: Final = 100
_anything: msgspec.json.Decoder[Fields] = msgspec.json.Decoder(Fields)


def _take_unfit(kind: type[Struct], fields: Fields) -> Fields:
    """Make an object fit its struct; return what was taken out of it, for `extra`."""
    known = {field.encode_name: field for field in structs.fields(kind)}
    unfit: Fields = {}
    for name, value in list(fields.items()):
        if name == kind.__struct_config__.tag_field:
            continue
        field = known.get(name)
        if field is None:
            unfit[name] = fields.pop(name)
        elif value is None:
            del fields[name]
        else:
            fields[name], rest = _fitted(field.type, value)
            if _is_optional(field) and not _fits(field.type, fields[name]):
                del fields[name]
                unfit[name] = value
            elif rest:
                unfit[name] = rest
    return unfit


def _fitted(annotation: Any, value: Any) -> tuple[Any, Any]:  # noqa: ANN401  # JSON
    """A value as its field wants it, as far as possible; and those parts of it that do not fit."""
    kinds = set(_kinds(annotation))
    if isinstance(value, dict):
        direct = (annotation, *get_args(annotation))
        structure = next((kind for kind in direct if _is_struct(kind)), None)
        if structure is not None:
            fitted = dict(value)
            return fitted, _take_unfit(structure, fitted)
        if dict in kinds:
            present = {name: _as_text(each) for name, each in value.items() if each is not None}
            texts = {name: each for name, each in present.items() if isinstance(each, str)}
            return texts, {name: each for name, each in present.items() if name not in texts}
    if isinstance(value, list):
        return [_as_texts(each) for each in value if not _has_null(each)], None
    return (_as_text(value) if str in kinds else value), None


def _kinds(annotation: Any) -> Iterator[Any]:  # noqa: ANN401  # a union is no type
    """The types that a field takes, and the types in those."""
    yield get_origin(annotation) or annotation
    for each in get_args(annotation):
        yield from _kinds(each)


def _as_text(value: Any) -> Any:  # noqa: ANN401  # JSON
    """A number or a truth value as the JSON text that stands for it; anything else as it is."""
    return msgspec.json.encode(value).decode() if isinstance(value, int | float) else value


def _as_texts(entry: Any) -> Any:  # noqa: ANN401  # JSON
    """An entry of a list: no documented list has numbers."""
    if isinstance(entry, dict):
        return {name: _as_text(each) for name, each in entry.items()}
    return _as_text(entry)


def _has_null(entry: Any) -> bool:  # noqa: ANN401  # JSON
    return entry is None or (isinstance(entry, dict) and None in entry.values())


def _is_optional(field: structs.FieldInfo) -> bool:
    return field.default is not NODEFAULT or field.default_factory is not NODEFAULT


def _fits(annotation: Any, value: object) -> bool:  # noqa: ANN401
    try:
        msgspec.convert(value, annotation, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists are nested deeper than `levels`."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _add(message: Fields, extra: Fields) -> None:
    for name, value in extra.items():
        mine = message.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            _add(mine, value)
        else:
            message.setdefault(name, value)
