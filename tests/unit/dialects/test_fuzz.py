"""Every message of a carrier becomes a record, and nothing is raised.

The vendors' documents, spoilt in every way that comes to mind, and by chance: always the same
chance, so that a run that fails fails again.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from callstream.dialects import DIALECTS, recognise
from callstream.dialects.events import Vocabulary
from callstream.dialects.one_pass import read_frame
from callstream.errors import Inexpressible, UnreadableMessage
from callstream.frames import records
from callstream.frames.publisher import read
from callstream.frames.records import (
    MOST_EVENT_BYTES,
    REJECTED_HEAD_BYTES,
    Disconnected,
    GatewayEvent,
    Record,
    Rejected,
)
from tests.unit.sample_messages import FROM_CARRIER, TO_CARRIER

# API Gateway takes no more than this.
MOST_BYTES: Final = 128 * 1024
ROUNDS: Final = 150

SPOILT_EACH = [json.dumps(said.message) for said in (*FROM_CARRIER, *TO_CARRIER)]
REASONS = {"not_json", "not_as_documented", "too_large"}


def survives(body: str) -> None:
    """Do what the functions do with a message, and readers and relays with its record."""
    heard = read(body)
    if frame := read_frame(body):
        # One pass says what two passes say.
        assert frame == (recognise(body), DIALECTS[frame[0]].parse(body))
    record = Record("stream-1", "acme", "genagent", heard.dialect, 0, heard.event)
    data = records.encode(record)
    assert records.decode(data) == record
    # A record adds a few fields to the message. Numbers may grow: 1e15 is written in full.
    assert len(data) < 4 * len(body.encode("utf-8", "surrogatepass")) + 2000
    assert len(data) < MOST_EVENT_BYTES + 2000
    if isinstance(heard.event, Rejected):
        assert heard.event.reason in REASONS
        assert len(heard.event.head) <= REJECTED_HEAD_BYTES
        assert len(heard.event.detail) <= 200
        return
    assert heard.dialect is not None
    assert not isinstance(heard.event, Vocabulary | Disconnected | GatewayEvent)
    own = DIALECTS[heard.dialect]
    assert own.parse(own.render(heard.event, "stream")) is not None
    for dialect in DIALECTS.values():
        try:
            dialect.render(heard.event, "stream")
        except Inexpressible:
            continue


# Values that a field had better not have.
ODD: Final[list[str]] = [
    *("null", "true", "{}", "[]", '""', '"x"', "0", "-1", "-0", "0.5", "1e5", "5e-324", "-1e308"),
    *("9" * 16, "9" * 20, "-" + "9" * 20, "9" * 400, "9" * 4_299, "9" * 4_301, "9" * 100_000),
    *(f'"{digits}"' for digits in ("9" * 20, "9" * 400, "9" * 4_301, "-1", "1e400", "0x1F", "NaN")),
    *("1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1e"),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\n"', '"\x00"'),
    *('"\ud800"', '"a\udcffb"', '"\U0010ffff"', '"\ufeff"', '"\u202e"', "\ufeff1"),
    *("[" * deep + "]" * deep for deep in (99, 100, 101, 1_000, 9_998, 9_999, 10_000, 50_000)),
    *('{"a":' * deep + "1" + "}" * deep for deep in (99, 100, 101, 9_998, 10_000, 20_000)),
    *("[" * deep for deep in (1, 1_000, 100_000)),
    '{"event": "media", "event": "stop"}',
    '{"": {"": ""}}',
    json.dumps([{"name": "a", "value": "b"}, {"name": "a", "value": "c", "new": []}]),
    json.dumps({str(number): number for number in range(5_000)}),
    json.dumps("x" * (MOST_BYTES - 1_000)),
    json.dumps("=" * 60_000),
    json.dumps([1e15] * 6_000),
]


def with_each_value(message: object, odd: str) -> Iterator[str]:
    """The message with each of its values, at every depth, replaced by the odd one."""
    place = '"\\u0001place"'

    def places(value: object, rebuild: Callable[[object], object]) -> Iterator[object]:
        yield rebuild("\x01place")
        if isinstance(value, dict):
            for name, inner in value.items():

                def put(new: object, name: str = name, value: dict[str, object] = value) -> object:
                    return rebuild(value | {name: new})

                yield from places(inner, put)

    for spoilt in places(message, lambda new: new):
        yield json.dumps(spoilt).replace(place, odd)


@pytest.mark.parametrize("said", FROM_CARRIER, ids=str)
def test_message_with_an_odd_value_anywhere_becomes_a_record(said: object) -> None:
    message = getattr(said, "message")  # noqa: B009
    whole = json.dumps(message)
    for odd in ODD:
        for body in with_each_value(message, odd):
            survives(body)
        # An unknown field, a field twice, and something after the end.
        survives(f'{whole[:-1]}, "new": {odd}}}')
        survives(f'{whole[:-1]}, "event": {odd}}}')
        survives(f'{whole[:-1]}, "media": {odd}, "start": {odd}}}')
        survives(whole + odd)


@pytest.mark.parametrize("whole", SPOILT_EACH)
def test_message_cut_anywhere_becomes_a_record(whole: str) -> None:
    for at in range(len(whole)):
        survives(whole[:at])
        survives(whole[at:])


def _flip(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + chr(random.randrange(0x80)) + text[at + 1 :]


def _insert(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    wild = [chr(random.randrange(0x110000)) for _ in range(random.randrange(1, 4))]
    return text[:at] + "".join(wild) + text[at:]


def _remove(text: str, random: Random) -> str:
    start = random.randrange(len(text))
    return text[:start] + text[start + random.randrange(1, 12) :]


def _repeat(text: str, random: Random) -> str:
    start = random.randrange(len(text))
    end = start + random.randrange(1, 40)
    return text[:end] + text[start:end] * random.randrange(1, 4) + text[end:]


def _splice(text: str, random: Random) -> str:
    other = random.choice(SPOILT_EACH)
    return text[: random.randrange(len(text))] + other[random.randrange(len(other)) :]


def _odd(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    # The test above covers the long messages.
    return text[:at] + random.choice([odd for odd in ODD if len(odd) < 100]) + text[at:]


@pytest.mark.parametrize("spoil", [_flip, _insert, _remove, _repeat, _splice, _odd])
def test_randomly_spoilt_message_becomes_a_record(spoil: Callable[[str, Random], str]) -> None:
    random = Random(spoil.__name__)  # noqa: S311  # no secret
    for whole in SPOILT_EACH:
        for _ in range(ROUNDS):
            body = whole
            for _ in range(random.randrange(1, 4)):
                body = spoil(body, random) or "{"
            survives(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NAMES: Final = sorted(
    {name for said in FROM_CARRIER for name in said.message}
    | {
        name
        for said in FROM_CARRIER
        for body in said.message.values()
        if isinstance(body, dict)
        for name in body
    }
)
EVENTS: Final = sorted({said.message["event"] for said in FROM_CARRIER})
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)


@seed(0)
@settings(max_examples=150)
@given(
    st.sampled_from(EVENTS),
    st.sampled_from(SPOILT_EACH).map(json.loads),
    objects,
    st.dictionaries(st.sampled_from(EVENTS), objects, max_size=2),
)
def test_any_json_under_documented_names_becomes_a_record(
    event: str, message: dict[str, object], fields: dict[str, object], bodies: dict[str, object]
) -> None:
    survives(json.dumps(fields | bodies | {"event": event}))
    survives(json.dumps(message | fields))
    survives(json.dumps(message | bodies))


@seed(0)
@settings(max_examples=150)
@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_a_record(body: str) -> None:
    survives(body)


@seed(0)
@settings(max_examples=150)
@given(st.binary())
def test_any_bytes_are_a_record_or_unreadable(data: bytes) -> None:
    for body in (data, b"\x91" * 50_000 + data, b"\x86\xa1x" + b"\x91" * 50_000 + data):
        try:
            records.decode(body)
        except UnreadableMessage as error:
            assert error.reason in {"not_a_record", "newer_version", "unknown_kind"}  # noqa: PT017
