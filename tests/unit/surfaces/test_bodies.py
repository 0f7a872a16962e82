"""From the bytes of a body to a model, with one error for each fault."""

import gzip
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from callstream.errors import BadRequest, Invalid, Issue, TooLarge, UnsupportedMediaType
from callstream.surfaces.bodies import FORM, JSON, MAX_BYTES, read_form, read_json, validate


class Body(BaseModel, extra="forbid"):
    """A body with a field of each kind."""

    count: Annotated[int, Field(gt=0)] = 1
    kind: Literal["a", "b"] = "a"
    name: str


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON; charset=utf-8"])
def test_json_is_decoded(content_type: str) -> None:
    assert read_json(b'{"name": "x"}', content_type) == {"name": "x"}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b"[" * 10_000, b'{"name":' * 5_000),
        *(b'{"count": NaN}', b'{"count": -Infinity}', b'{"name": "\xed\xa0\x80"}'),
        # The same bytes in every process of a run: pytest names the test by them.
        gzip.compress(b'{"name": "x"}', mtime=0),
    ],
)
def test_other_bytes_are_not_json(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_json(body, JSON)


def test_form_is_decoded_with_the_last_of_repeated_fields() -> None:
    assert read_form(b"a=1&a=2&b=&c=%C3%A9", FORM) == {"a": "2", "b": "", "c": "\u00e9"}


def test_form_without_a_body_has_no_fields() -> None:
    assert read_form(b"", "") == {}


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff", b"&".join([b"a=1"] * 501)])
def test_other_bytes_are_not_a_form(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_form(body, FORM)


@pytest.mark.parametrize(("read", "media_type"), [(read_json, JSON), (read_form, FORM)])
def test_size_and_content_type_are_checked(read: Any, media_type: str) -> None:
    with pytest.raises(TooLarge):
        read(b" " * (MAX_BYTES + 1), media_type)
    with pytest.raises(UnsupportedMediaType):
        read(b"{}", "text/plain")


def test_validation_names_every_fault() -> None:
    with pytest.raises(Invalid) as invalid:
        validate(Body, {"count": 0, "kind": "c", "size": 1}, strict=True)

    assert {(issue.location, issue.kind) for issue in invalid.value.issues} == {
        (("count",), "range"),
        (("kind",), "enum"),
        (("name",), "missing"),
        (("size",), "unknown"),
    }


def test_a_number_of_thousands_of_digits_is_out_of_range() -> None:
    body = b'{"name": "x", "count": -' + b"9" * 4_000 + b"}"

    with pytest.raises((Invalid, BadRequest)):
        validate(Body, read_json(body, JSON), strict=True)


def test_answer_names_few_of_thousands_of_faults() -> None:
    fields = {f"unknown-{number}": number for number in range(4_000)}

    with pytest.raises(Invalid) as invalid:
        validate(Body, fields, strict=True)
    assert len(invalid.value.issues) <= 100


def test_validation_is_strict_for_json_and_lenient_for_forms() -> None:
    assert validate(Body, {"count": "2", "name": "x"}, strict=False).count == 2
    with pytest.raises(Invalid) as invalid:
        validate(Body, {"count": "2", "name": "x"}, strict=True)
    assert [issue.kind for issue in invalid.value.issues] == ["type"]


def test_validation_takes_objects_only() -> None:
    with pytest.raises(Invalid) as invalid:
        validate(Body, ["name"], strict=True)
    assert invalid.value.issues == (Issue((), "type", "Input should be an object"),)
