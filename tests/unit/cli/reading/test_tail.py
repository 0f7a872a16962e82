"""What `callstream tail` tells, and what it keeps to itself; where reading begins."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from callstream.adapters.aws.kinesis_reader import Position
from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    CarrierEvent,
    Connected,
    Dtmf,
    Error,
    Mark,
    Media,
    Start,
    Stop,
)
from callstream.frames.arrivals import Arrival
from callstream.frames.reader import FrameReader, ReadEvent, Stream, StreamOver
from callstream.frames.records import (
    Cleared,
    Disconnected,
    Halted,
    Record,
    RecordEvent,
    Rejected,
    Returned,
    Transcript,
    Word,
)
from callstream.frames.stream_order import OrderedStream
from callstream_cli.__main__ import build
from callstream_cli.operator.errors import BadValueError
from callstream_cli.reading.source import position
from callstream_cli.reading.tail_output import Shown, TailLines, as_dict, clock_time

NOW = datetime(2026, 5, 4, 17, tzinfo=UTC)
START = Start(
    sequence=1,
    carrier_stream_id="T1",
    call_id="v3:call",
    account_id="user",
    tracks=("inbound",),
    format=AudioFormat(encoding="PCMU", sample_rate=8000, channels=1),
    parameters={"name": "PRIVATE"},
    from_number="+1PRIVATE",
    to_number="+2PRIVATE",
    tags=("PRIVATE",),
    client_state="PRIVATE",
    extra='{"x": "PRIVATE"}',
)
HI = Word("Hi", 40, 1234, after=".")
EVENTS: tuple[RecordEvent, ...] = (
    Connected(protocol=None, version="1.0.0"),
    START,
    Media(sequence=2, track="inbound", chunk=1, timestamp=0, audio=b"AUDIO"),
    Media(sequence=3, track="inbound", chunk=2, timestamp=20, audio=b"AUDIO", extra="PRIVATE"),
    Dtmf(sequence=4, track="inbound", digit="7", extra="PRIVATE"),
    Mark(sequence=5, name="hello"),
    Error(sequence=6, code="100005", title="rate_limit_reached", detail="PRIVATE"),
    Rejected("not_json", "PRIVATE", 9, b"PRIVATE"),
    Transcript("r1", 1, "inbound", 40, 1234, "en-US", "Hi\x1b.", (HI,), "PRIVATE"),
    Halted("r1"),
    Stop(sequence=7, call_id="v3:call"),
    Disconnected(1000, "bye"),
)


class Watching:
    """A stream whose events come one by one."""

    def __init__(self) -> None:
        self.order = OrderedStream()
        self.stream: Stream | None = None

    def happen(
        self, event: CarrierEvent | RecordEvent | StreamOver, received_at: int = 5
    ) -> ReadEvent:
        if not isinstance(event, StreamOver):
            record = Record("s1", "acme", "genagent", "telnyx", 5, event)
            self.stream = self.stream or Stream(record, self.order)
            if isinstance(event, Start):
                self.stream.start = event
            self.order.push(record, 0)
        assert self.stream is not None
        return ReadEvent(self.stream, event, received_at)

    def all(self) -> Iterator[ReadEvent]:
        for event in (*EVENTS, StreamOver("disconnected")):
            yield self.happen(event)


def told(shown: Shown) -> list[str]:
    lines = TailLines(shown)
    return [line for read in Watching().all() for line in lines.of(read)]


def as_json(shown: Shown) -> list[dict[str, Any]]:
    """As a script gets it."""
    return [json.loads(json.dumps(as_dict(read, shown))) for read in Watching().all()]


def test_tail_lines_are_for_people() -> None:
    assert told(Shown()) == [
        "s1  connected  1.0.0",
        "s1  start  call v3:call; inbound; PCMU at 8000 Hz",
        "s1  2 inbound frames",
        "s1  dtmf  a key, inbound",
        "s1  mark  hello",
        "s1  error  100005  rate_limit_reached",
        "s1  rejected  not_json  9 bytes",
        r"s1  transcript  inbound, 0.0 to 1.2 s  Hi\x1b.",
        "s1  halted  relay r1",
        "s1  stop",
        "s1  disconnected  1000  bye",
        "s1  over (disconnected)  2 inbound frames, 1 rejected",
    ]


def test_tail_has_a_line_for_every_frame_if_asked() -> None:
    lines = told(Shown(frames=True))

    assert lines[2] == "s1  media  2  inbound, chunk 1, 0 ms, 5 bytes"
    assert len(lines) == len(EVENTS) + 1


def test_tail_has_a_line_a_second_for_frames() -> None:
    lines, watching = TailLines(Shown()), Watching()
    said: list[str] = []
    for number in range(40):
        event = Media(sequence=number + 1, track="inbound", chunk=number, timestamp=0, audio=b"x")
        said += lines.of(watching.happen(event, number * 1000 // 16))

    assert said == ["s1  17 inbound frames", "s1  16 inbound frames"]


def test_tail_shows_how_many_messages_are_missing() -> None:
    lines, watching = TailLines(Shown()), Watching()
    list(lines.of(watching.happen(START, 0)))
    list(lines.of(watching.happen(EVENTS[2], 0)))
    watching.order.push(Record("s1", "acme", "genagent", "telnyx", 5, EVENTS[5]), 0)
    watching.order.expire(5)

    said = lines.of(watching.happen(EVENTS[6], 6000))
    assert next(said) == "s1  1 inbound frames, 2 missing"


def test_tail_shows_nothing_about_persons_unless_asked() -> None:
    for shown in (Shown(), Shown(frames=True, audio=False)):
        everything = "\n".join(told(shown)) + json.dumps(as_json(shown))
        assert "PRIVATE" not in everything
        assert '"7"' not in everything
        assert "QVVESU8" not in everything


def test_tail_shows_what_is_about_persons_if_asked() -> None:
    lines = told(Shown(personal=True))
    assert (
        "s1  start  call v3:call; inbound; PCMU at 8000 Hz; from +1PRIVATE; to +2PRIVATE;"
        " name=PRIVATE" in lines
    )
    assert "s1  dtmf  7, inbound" in lines
    events = [line["event"] for line in as_json(Shown(personal=True))]
    assert events[1]["from_number"] == "+1PRIVATE"
    assert events[1]["parameters"] == {"name": "PRIVATE"}
    assert events[4]["digit"] == "7"
    assert events[7]["head"] == "UFJJVkFURQ=="
    assert "audio" not in events[2]


def test_tail_shows_audio_if_asked() -> None:
    events = [line["event"] for line in as_json(Shown(audio=True))]

    assert (events[2]["size"], events[2]["audio"]) == (5, "QVVESU8=")
    assert "PRIVATE" not in json.dumps(events)


def test_tail_json_has_the_stream_and_the_event_as_the_record_format_has_it() -> None:
    lines = as_json(Shown())

    assert [line["event"]["kind"] for line in lines] == [
        *("connected", "start", "media", "media", "dtmf", "mark", "error", "rejected"),
        *("transcript", "halted", "stop", "disconnected", "over"),
    ]
    assert lines[0]["call_id"] is None
    assert lines[2] == {
        "stream_id": "s1",
        "tenant_id": "acme",
        "route": "genagent",
        "dialect": "telnyx",
        "call_id": "v3:call",
        "received_at": 5,
        "event": {
            "kind": "media",
            "sequence": 2,
            "track": "inbound",
            "chunk": 1,
            "timestamp": 0,
            "size": 5,
        },
    }
    assert lines[1]["event"]["format"] == {
        "encoding": "PCMU",
        "sample_rate": 8000,
        "channels": 1,
    }
    assert lines[8]["event"] == {
        "kind": "transcript",
        "relay_id": "r1",
        "number": 1,
        "track": "inbound",
        "start_ms": 40,
        "end_ms": 1234,
        "language": "en-US",
        "text": "Hi\x1b.",
        "words": [{"text": "Hi", "start_ms": 40, "end_ms": 1234, "after": "."}],
    }
    assert lines[-1]["event"]["frames"] == {"inbound": 2}
    assert lines[-1]["event"]["why"] == "disconnected"


class Shelf:
    """A shard of which everything comes in one poll."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self.arrivals = arrivals
        self.caught_up = False

    def poll(self) -> list[Arrival]:
        self.caught_up = True
        given, self.arrivals = self.arrivals, []
        return given

    def seconds_behind(self, shard_id: str) -> float:
        assert shard_id == "a"
        return 0.5

    def seconds_until_due(self) -> float:
        return 0.25


def stored(*received_at: int) -> FrameReader:
    """A reader of frames that came to Kinesis a second after they were received."""
    frames = [
        Media(sequence=number, track="inbound", chunk=number, timestamp=0, audio=b"x")
        for number, _ in enumerate(received_at, start=1)
    ]
    records = [
        Record("s1", "acme", "genagent", "twilio", at, frame)
        for frame, at in zip(frames, received_at, strict=True)
    ]
    arrivals = [Arrival(each, "s1", "a", each.received_at + 1000) for each in records]
    return FrameReader(Shelf(arrivals), lambda: 0)


def test_tail_of_stored_records_has_a_line_a_second() -> None:
    reader, lines = stored(*range(0, 3_000, 100)), TailLines(Shown())
    said: list[str] = []
    events = reader.poll()
    while reader.has_more:
        events += reader.poll()
    for read in events:
        said += [f"{clock_time(read.received_at)}  {line}" for line in lines.of(read)]

    assert said == ["00:00:01  s1  11 inbound frames", "00:00:02  s1  10 inbound frames"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start", "TRIM_HORIZON"),
        ("now", "LATEST"),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d", NOW - timedelta(days=1)),
        ("2026-05-04T16:30:00+00:00", NOW - timedelta(minutes=30)),
        ("2026-05-04T16:30:00Z", NOW - timedelta(minutes=30)),
    ],
)
def test_position_is_read_from_what_is_typed(text: str, expected: Position) -> None:
    assert position(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "15", "m", "-5m", "99999999999d", "25:00"])
def test_position_refuses_other_words(text: str) -> None:
    with pytest.raises(BadValueError, match="neither start nor now"):
        position(text, NOW)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["tail", "--audio"], "--audio goes with --json"),
        (["record", "x", "-o", "-"], "a WAV file cannot go to a pipe"),
        (["record", "x", "-o", "/"], "/ is a directory"),
        *(
            (["record", "x", "--raw", "r", *option], "--raw goes without --output, --native and")
            for option in (["-o", "y"], ["--native"], ["--byte-order", "big"])
        ),
        (["replay", "x"], "Missing option '--to'"),
        (["replay", "x", "--to", "ws://y", "--dialect", "asapp"], "'--dialect'"),
        (["replay", "x", "--to", "ws://y", "--speed", "-1"], "'--speed'"),
        (["record"], "Missing argument"),
        (["record", "x", "--byte-order", "middle"], "'--byte-order'"),
    ],
)
def test_reading_commands_explain_wrong_command_lines(arguments: list[str], why: str) -> None:
    result = CliRunner().invoke(
        build(arguments), arguments, env={"NO_COLOR": "1", "COLUMNS": "200"}
    )

    assert result.exit_code == 2
    assert why in result.stderr


def test_tail_without_a_region_explains_that_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    result = CliRunner().invoke(build(["tail"]), ["tail", "--stack", "x"])

    assert result.exit_code == 1
    assert result.stderr == "callstream: no AWS region given: set AWS_DEFAULT_REGION\n"


def test_tail_has_a_line_a_second_for_answers() -> None:
    record = Record("s1", "acme", "inbox", None, 0, Disconnected(1000, ""))
    stream, lines = Stream(record, OrderedStream()), TailLines(Shown())

    shown = [
        line
        for at in range(0, 1100, 100)
        for line in lines.of(ReadEvent(stream, Returned("r1", at, b"a"), at))
    ]
    shown += lines.of(ReadEvent(stream, Cleared("r1", 12), 1200))

    assert shown == ["s1  11 pieces of answers", "s1  cleared  by r1"]
