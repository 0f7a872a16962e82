"""One odd value does not lose a message: only what the message depends on may refuse it.

Every field of every documented message in turn is absent, null, of another type, empty or huge.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from callstream.dialects import DIALECTS, recognise
from callstream.dialects.events import CarrierEvent, Start
from callstream.errors import UnreadableMessage
from tests.unit.sample_messages import FROM_CARRIER, TO_CARRIER, Said

type Path = tuple[str, ...]

HUGE = "x" * 5000
ODD = [None, 7, 7.5, True, "", HUGE, [], [None], {}, {"a": {"b": 1}}]

# What each message depends on. A `start` may name its stream at the top or inside.
DEPENDS: dict[str, set[Path]] = {
    "connected": {("event",)},
    "start": {
        *{("event",), ("start",), ("stream_id",), ("start", "streamSid")},
        *{("start", "callSid"), ("start", "mediaFormat"), ("start", "mediaFormat", "encoding")},
        *{("start", "mediaFormat", "sampleRate"), ("start", "call_control_id")},
        *{("start", "media_format"), ("start", "media_format", "encoding")},
        ("start", "media_format", "sample_rate"),
    },
    "media": {
        *{("event",), ("sequenceNumber",), ("sequence_number",), ("media",)},
        *{("media", "track"), ("media", "timestamp"), ("media", "payload")},
    },
    "dtmf": {("event",), ("sequenceNumber",), ("sequence_number",), ("dtmf",), ("dtmf", "digit")},
    "mark": {("event",), ("mark",), ("mark", "name")},
    "stop": {("event",), ("sequenceNumber",), ("sequence_number",)},
    "error": {("event",), ("payload",), ("payload", "code"), ("error",), ("error", "code")},
}
RETURN_DEPENDS: dict[str, set[Path]] = {
    "media": {("event",), ("media",), ("media", "payload")},
    "mark": {("event",), ("mark",), ("mark", "name")},
    "clear": {("event",)},
    "dtmf": {("event",), ("dtmf",), ("dtmf", "digit")},
}


def paths(message: Any, before: Path = ()) -> Iterator[Path]:
    if isinstance(message, dict):
        for name, value in message.items():
            yield (*before, name)
            yield from paths(value, (*before, name))


def read(message: dict[str, Any], parse: Callable[[str], object]) -> object:
    """What a message says; None if it is refused as not documented."""
    try:
        return parse(json.dumps(message))
    except UnreadableMessage as refused:
        if refused.reason != "not_as_documented":
            raise
        return None


def without(message: dict[str, Any], path: Path) -> dict[str, Any]:
    changed = copy.deepcopy(message)
    holder(changed, path).pop(path[-1])
    return changed


def changed_to(message: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(message)
    holder(changed, path)[path[-1]] = value
    return changed


def holder(message: dict[str, Any], path: Path) -> dict[str, Any]:
    for name in path[:-1]:
        message = message[name]
    return message


CASES = [
    pytest.param(said, path, id=f"{said}-{'.'.join(path)}")
    for said in FROM_CARRIER
    for path in paths(said.message)
]


@pytest.mark.parametrize(("said", "path"), CASES)
def test_a_field_that_is_odd_refuses_only_what_depends_on_it(
    said: Said[CarrierEvent], path: Path
) -> None:
    odd = [without(said.message, path)]
    odd += [changed_to(said.message, path, value) for value in ODD]
    for message in odd:
        event = read(message, DIALECTS[said.dialect].parse)
        if event is None:
            assert path in DEPENDS[said.message["event"]], message
        else:
            assert type(event) is type(said.event)


@pytest.mark.parametrize(("said", "path"), CASES)
def test_null_is_absent(said: Said[CarrierEvent], path: Path) -> None:
    parse = DIALECTS[said.dialect].parse

    assert read(changed_to(said.message, path, None), parse) == read(
        without(said.message, path), parse
    )


@pytest.mark.parametrize("said", TO_CARRIER, ids=str)
def test_what_comes_back_depends_on_its_body_alone(said: Said[Any]) -> None:
    for path in paths(said.message | {"streamSid": "MZ1"}):
        for value in ODD:
            message = changed_to(said.message | {"streamSid": "MZ1"}, path, value)
            event = read(message, DIALECTS[said.dialect].parse_return)
            if event is None:
                assert path in RETURN_DEPENDS[said.message["event"]], message
            else:
                assert type(event) is type(said.event)


def start(dialect: str, **changes: object) -> Start:
    [message] = [
        said.message
        for said in FROM_CARRIER
        if said.dialect == dialect and said.message["event"] == "start" and not said.is_read_only
    ][:1]
    changed = copy.deepcopy(message)
    changed["start"] |= changes
    event = DIALECTS[dialect].parse(json.dumps(changed))
    assert isinstance(event, Start)
    return event


@pytest.mark.parametrize("dialect", ["twilio", "signalwire"])
class TestStart:
    def test_null_parameters_are_none(self, dialect: str) -> None:
        assert start(dialect, customParameters=None).parameters == {}

    def test_a_number_as_a_parameter_is_text(self, dialect: str) -> None:
        event = start(dialect, customParameters={"a": 1, "b": 2.5, "c": True, "d": None, "e": "x"})

        assert event.parameters == {"a": "1", "b": "2.5", "c": "true", "e": "x"}

    def test_a_parameter_that_is_no_text_stays_in_extra(self, dialect: str) -> None:
        event = start(dialect, customParameters={"a": {"b": 1}, "c": "d"})

        assert event.parameters == {"c": "d"}
        assert json.loads(event.extra) == {"start": {"customParameters": {"a": {"b": 1}}}}

    def test_an_empty_account_is_fine(self, dialect: str) -> None:
        assert start(dialect, accountSid="").account_id == ""

    def test_one_channel_is_meant_if_none_is_named(self, dialect: str) -> None:
        format_ = {"encoding": "audio/x-mulaw", "sampleRate": 8000}

        assert start(dialect, mediaFormat=format_).format.channels == 1

    def test_tracks_that_nobody_documents_stay_in_extra(self, dialect: str) -> None:
        event = start(dialect, tracks=["both"])

        assert event.tracks == ()
        assert json.loads(event.extra)["start"]["tracks"] == ["both"]

    def test_the_id_at_the_top_counts_if_there_is_none_inside(self, dialect: str) -> None:
        message = {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ9",
            "start": {
                "callSid": "CA9",
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
            },
        }
        event = DIALECTS[dialect].parse(json.dumps(message))

        assert isinstance(event, Start)
        assert event.carrier_stream_id == "MZ9"


def test_telnyx_parameters_that_are_numbers_are_text() -> None:
    listed = [{"name": "a", "value": 1}, {"name": "b", "value": None}, {"name": "c", "value": "d"}]

    assert start("telnyx", custom_parameters=listed).parameters == {"a": "1", "c": "d"}
    assert start("telnyx", custom_parameters={"a": 1}).parameters == {"a": "1"}
    assert start("telnyx", tags=[1, "b"]).tags == ("1", "b")


def test_telnyx_token_in_connected_goes_no_further() -> None:
    message = {
        "event": "connected",
        "protocol": "Call",
        "version": "1.0.0",
        "connected": {"x-telnyx-streaming-auth-token": "secret", "more": 1},
        "new": 2,
    }
    assert recognise(json.dumps(message)) == "telnyx"
    event = DIALECTS["telnyx"].parse(json.dumps(message))

    assert "secret" not in repr(event)
    assert json.loads(event.extra) == {"new": 2}


@pytest.mark.parametrize("handshake", [{"X-Telnyx-Streaming-Auth-Token": "secret"}, ["secret"]])
def test_telnyx_token_goes_no_further_however_connected_names_it(handshake: object) -> None:
    message = {"event": "connected", "version": "1.0.0", "connected": handshake}

    assert "secret" not in repr(DIALECTS["telnyx"].parse(json.dumps(message)))


@pytest.mark.parametrize("odd", [0, "", [], {}])
def test_an_odd_value_that_is_empty_stays_in_extra(odd: object) -> None:
    message = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": odd}
    event = start("twilio", mediaFormat=message)

    assert json.loads(event.extra) == {"start": {"mediaFormat": {"channels": odd}}}


@pytest.mark.parametrize("name", ["call_session_id", "user_id", "from", "to"])
def test_a_name_that_is_too_long_for_the_tables_stays_in_extra(name: str) -> None:
    long, fits = start("telnyx", **{name: HUGE}), start("telnyx", **{name: "x" * 400})

    assert json.loads(long.extra)["start"][name] == HUGE
    assert HUGE not in repr(replace(long, extra=""))
    assert "x" * 400 in repr(msgspec.to_builtins(fits))


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("telnyx", ("start", "media_format", "encoding")),
        ("twilio", ("start", "mediaFormat", "encoding")),
        ("signalwire", ("start", "mediaFormat", "encoding")),
    ],
)
def test_a_codec_that_is_too_long_refuses_its_start(dialect: str, path: Path) -> None:
    [said, *_] = [each for each in FROM_CARRIER if f"{dialect}-start" in str(each)]

    assert read(changed_to(said.message, path, HUGE), DIALECTS[dialect].parse) is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_rendering_changes_no_event(dialect: str) -> None:
    name = "custom_parameters" if dialect == "telnyx" else "customParameters"
    event = start(dialect, **{name: {"a": "1", "b": {"x": [1]}}})
    rendered = json.loads(DIALECTS[dialect].render(event, "MZ1"))

    assert event.parameters == {"a": "1"}
    assert rendered["start"][name] == {"a": "1", "b": {"x": [1]}}
