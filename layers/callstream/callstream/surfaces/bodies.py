"""Reading request bodies: from bytes to a validated model, with one error for each fault."""

from typing import Final
from urllib.parse import parse_qsl

import msgspec
from pydantic import BaseModel, ValidationError

from callstream.errors import (
    BadRequest,
    Invalid,
    Issue,
    IssueKind,
    TooLarge,
    UnsupportedMediaType,
)

# Far above any valid request: the longest field that a vendor documents has 4,000 characters.
MAX_BYTES: Final = 64 * 1024
_MAX_FIELDS: Final = 500
_MAX_ISSUES: Final = 100

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"


def read_json(body: bytes, content_type: str) -> object:
    """Decode a JSON body.

    Raises:
        TooLarge, UnsupportedMediaType, BadRequest
    """
    _check(body, content_type, JSON)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest("not JSON") from None


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """Decode a form-encoded body; of a repeated field the last value counts.

    An empty body is a form without fields: clients that send none leave its content type out.

    Raises:
        TooLarge, UnsupportedMediaType, BadRequest
    """
    if not body:
        return {}
    _check(body, content_type, FORM)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise BadRequest("not a form") from None
    return dict(pairs)


def _check(body: bytes, content_type: str, wanted: str) -> None:
    if len(body) > MAX_BYTES:
        raise TooLarge(f"{len(body)} bytes")
    if content_type.partition(";")[0].strip().lower() != wanted:
        raise UnsupportedMediaType(f"not {wanted}")


def validate[Model: BaseModel](model: type[Model], data: object, *, strict: bool) -> Model:
    """Make a model of decoded data.

    `strict` accepts only JSON's own types; a form has only texts, which are converted.

    Raises:
        Invalid: with an issue for each fault.
    """
    if not isinstance(data, dict):
        raise Invalid(Issue((), "type", "Input should be an object"))
    try:
        return model.model_validate(data, strict=strict, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        # A body full of faults must not make an answer that is too large for a Lambda.
        raise Invalid(
            *(
                Issue(detail["loc"], _kind(detail["type"]), detail["msg"])
                for detail in details[:_MAX_ISSUES]
            )
        ) from None


_KINDS: Final[dict[str, IssueKind]] = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "literal_error": "enum",
    "enum": "enum",
    # Raised by our own validators (PydanticCustomError).
    "url": "url",
    "base64": "base64",
}
_RANGES: Final = ("greater_than", "less_than", "too_long", "too_short", "multiple_of")


def _kind(error_type: str) -> IssueKind:
    if error_type in _KINDS:
        return _KINDS[error_type]
    if any(part in error_type for part in _RANGES):
        return "range"
    if error_type.endswith(("_type", "_parsing", "_from_float")):
        return "type"
    return "value"
