"""Frames that are recognised and read in one pass, and written in one: the same as in two."""

import json
from base64 import b64encode
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects import DIALECTS, recognise
from callstream.dialects._wire import write
from callstream.dialects.events import Media, ReturnMedia
from callstream.dialects.one_pass import read_frame
from callstream.errors import UnreadableMessage
from tests.unit.sample_messages import FROM_CARRIER, TO_CARRIER, Said

type Outcome = tuple[str, object] | str

FRAMES = [said for said in FROM_CARRIER if isinstance(said.event, Media)]
MESSAGES = [json.dumps(said.message) for said in (*FROM_CARRIER, *TO_CARRIER)]
FRAME = '"media": {"track": "inbound", "timestamp": "20", "payload": "/w=="}'
BEGINNINGS = [
    f'"event": "media", {FRAME}',
    f'"event": "m\\u0065dia", {FRAME}, "event": "media"',
    f'"event": "start", {FRAME}, "event": "media"',
    f'"event": "media", {FRAME}, "event": "start"',
    f'"event": 7, {FRAME}',
    FRAME,
    '"event": "media", "media": {}',
    f'"event": "media", {FRAME[:-1]}, "chunk": "x"}}',
    f'"event": "media", {FRAME[:-1]}, "new": 1}}',
]
NAMES = ["stream_id", "streamSid", "sequence_number", "sequenceNumber", "s\\u0074reamSid", "new"]
VALUES = ["4", "-1", '"4"', '"04"', "null", '"null"', '"x"', '"\\ud800"', "[]"]
FIELDS = [f'"{name}": {value}' for name, value in product(NAMES, VALUES)]


def in_two_passes(text: str | bytes) -> Outcome:
    try:
        dialect = recognise(text)
        return dialect, DIALECTS[dialect].parse(text)
    except UnreadableMessage as error:
        return str(error)


def agree(text: str | bytes) -> None:
    frame = read_frame(text)
    assert frame is None or frame == in_two_passes(text)


@pytest.mark.parametrize("said", FRAMES, ids=lambda said: said.dialect)
def test_documented_frame_is_read_in_one_pass(said: Said[Media]) -> None:
    text = json.dumps(said.message)

    assert read_frame(text) == read_frame(text.encode()) == (said.dialect, said.event)
    assert in_two_passes(text) == (said.dialect, said.event)


@pytest.mark.parametrize("said", [said for said in FROM_CARRIER if said not in FRAMES], ids=str)
def test_any_other_message_is_left_to_two_passes(said: Said[object]) -> None:
    assert read_frame(json.dumps(said.message)) is None


@pytest.mark.parametrize("begins", BEGINNINGS)
def test_one_pass_agrees_with_two_about_any_fields(begins: str) -> None:
    """Also about fields that come twice."""
    for rest in (*product(FIELDS), *product(FIELDS, FIELDS)):
        agree("{" + ", ".join([begins, *rest]) + "}")


@given(
    text=st.text(st.characters(codec=None))
    | st.binary()
    | st.builds(
        lambda text, at, noise: text[:at] + noise + text[at + 1 :],
        st.sampled_from(MESSAGES),
        st.integers(0, 400),
        st.text(st.characters(codec=None), max_size=3),
    )
)
def test_one_pass_agrees_with_two_about_garbage(text: str | bytes) -> None:
    agree(text)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(audio=st.binary(), stream_id=st.text())
def test_frame_is_written_as_its_fields_are(dialect: str, audio: bytes, stream_id: str) -> None:
    fields = {"event": "media", "media": {"payload": b64encode(audio).decode()}}
    stream = {} if dialect == "telnyx" else {"streamSid": stream_id}

    assert DIALECTS[dialect].render_return(ReturnMedia(audio), stream_id) == write(fields | stream)
