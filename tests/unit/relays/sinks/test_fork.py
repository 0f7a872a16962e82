"""The messages of a fork: as the vendors document them, whatever the carrier's dialect is."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    CarrierEvent,
    Clear,
    Dtmf,
    Error,
    Mark,
    Media,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
    Start,
)
from callstream.errors import UnreadableMessage
from callstream.relays.sinks.fork import ForkCounters, ForkedCall, ForkProtocol
from callstream.relays.sinks.fork_audio import ForkAudio, Payload

CALL = ForkedCall(
    stream_id="7a2f7b1e-2f0e-4a0b-9a55-0d6bd1b2a001",
    call_id="CA0123456789abcdef0123456789abcdef",
    account_id="3e6f995f-85f7-4705-9741-53b116d28237",
    format=PCMU_8K,
    tracks=("inbound",),
    parameters={"tenant": "acme"},
)


def fork(dialect: str = "telnyx", **counters: Any) -> ForkProtocol:
    return ForkProtocol(dialect, CALL, counters=ForkCounters(**counters) if counters else None)


def media(sequence: int, timestamp: int, track: Any = "inbound", audio: bytes = b"\x7f") -> Media:
    return Media(sequence, track, sequence, timestamp, audio)


def parsed(texts: list[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts]


def test_a_telnyx_fork_begins_as_telnyx_documents() -> None:
    assert parsed(fork("telnyx").open()) == [
        {"event": "connected", "version": "1.0.0"},
        {
            "event": "start",
            "sequence_number": "1",
            "stream_id": CALL.stream_id,
            "start": {
                "user_id": CALL.account_id,
                "call_control_id": CALL.call_id,
                "call_session_id": CALL.call_id,
                "tags": [],
                "custom_parameters": {"tenant": "acme"},
                "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
            },
        },
    ]


def test_a_signalwire_fork_begins_as_signalwire_documents() -> None:
    assert parsed(fork("signalwire").open()) == [
        {"event": "connected", "protocol": "Call", "version": "0.2.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                "streamSid": CALL.stream_id,
                "accountSid": CALL.account_id,
                "callSid": CALL.call_id,
                "tracks": ["inbound"],
                "customParameters": {"tenant": "acme"},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        },
    ]


def test_a_twilio_fork_speaks_as_twilio_documents() -> None:
    call = replace(
        CALL,
        stream_id="MZ0123456789abcdef0123456789abcdef",
        account_id="AC0123456789abcdef0123456789abcdef",
    )
    forked = ForkProtocol("twilio", call)
    sid = {"streamSid": call.stream_id}
    assert parsed(forked.open()) == [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                **sid,
                "accountSid": call.account_id,
                "callSid": call.call_id,
                "tracks": ["inbound"],
                "customParameters": {"tenant": "acme"},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
            **sid,
        },
    ]
    mark = forked.receive(json.dumps({"event": "mark", "mark": {"name": "end"}} | sid))
    assert isinstance(mark, ReturnMark)
    texts = [
        *forked.take("s1", media(500, 9_000), 0),
        *forked.take("s1", Dtmf(9, "inbound", "5", duration_ms=160), 20),
        *forked.give_back(mark.name),
        *forked.close(),
    ]
    frame = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "fw=="}
    ids = {"accountSid": call.account_id, "callSid": call.call_id}
    assert parsed(texts) == [
        {"event": "media", "sequenceNumber": "2", "media": frame, **sid},
        {
            "event": "dtmf",
            "sequenceNumber": "3",
            "dtmf": {"track": "inbound_track", "digit": "5"},
            **sid,
        },
        {"event": "mark", "sequenceNumber": "4", "mark": {"name": "end"}, **sid},
        {"event": "stop", "sequenceNumber": "5", "stop": ids, **sid},
    ]


def test_a_fork_counts_for_itself_and_its_time_begins_with_it() -> None:
    forked = fork()
    forked.open()
    texts = [
        *forked.take("s1", media(500, 9_000), 40),
        *forked.take("s1", media(501, 9_020, "outbound"), 45),
        *forked.take("s1", media(502, 9_020), 60),
        *forked.close(),
    ]

    frames = parsed(texts)
    assert [frame.get("media") for frame in frames[:-1]] == [
        {"track": "inbound", "chunk": "1", "timestamp": "40", "payload": "fw=="},
        {"track": "inbound", "chunk": "2", "timestamp": "60", "payload": "fw=="},
    ]
    assert [frame["sequence_number"] for frame in frames] == ["2", "3", "4"]
    assert forked.close() == []


def test_each_payload_of_a_frame_has_its_number_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = ForkAudio(PCMU_8K)
    payloads = [Payload(20.4, b"\1"), Payload(40.4, b"\2")]
    monkeypatch.setattr(audio, "take", lambda *_: payloads)
    monkeypatch.setattr(audio, "flush", lambda **_: [("inbound", Payload(60.4, b"\3"))])
    forked = ForkProtocol("telnyx", CALL, audio)
    texts = forked.take("s1", media(7, 0), 20)
    frames = parsed([*texts, *forked.flush(is_final=True), *forked.close()])

    assert [frame["sequence_number"] for frame in frames] == ["1", "2", "3", "4"]
    assert [frame.get("media") for frame in frames] == [
        {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": "AQ=="},
        {"track": "inbound", "chunk": "2", "timestamp": "40", "payload": "Ag=="},
        {"track": "inbound", "chunk": "3", "timestamp": "60", "payload": "Aw=="},
        None,
    ]


def test_the_audio_of_a_stream_is_converted_from_the_format_in_its_start() -> None:
    forked = ForkProtocol("telnyx", CALL, ForkAudio(PCMU_8K, {"s1": PCMU_8K}))
    pcma = AudioFormat("PCMA", 8000, 1)

    assert forked.take("s2", Start(1, "MZ2", "CA2", "AC", ("inbound",), pcma), 0) == []
    [frame] = parsed(forked.take("s2", media(2, 0, audio=b"\xd5"), 0))
    assert frame["media"]["payload"] == "/g=="


def test_an_even_fork_numbers_its_silence_and_a_successor_goes_on_with_it() -> None:
    first = ForkProtocol("telnyx", CALL, is_even=True)
    texts = first.take("s1", media(1, 0, audio=b"\1" * 160), 0)
    texts += first.take("s1", media(2, 60, audio=b"\1" * 160), 60)
    left = msgspec.msgpack.decode(msgspec.msgpack.encode(first.counters), type=ForkCounters)
    second = ForkProtocol("telnyx", CALL, counters=left, is_even=True)
    texts += second.fill(5000, is_busy=False)
    texts += second.take("s1", media(3, 120, audio=b"\1" * 160), 5000)

    frames = [frame["media"] for frame in parsed(texts)]
    assert [frame["timestamp"] for frame in frames] == [str(at) for at in range(0, 140, 20)]
    assert [frame["chunk"] for frame in frames] == [str(chunk) for chunk in range(1, 8)]
    assert ForkProtocol("telnyx", CALL).fill(5000, is_busy=False) == []


def test_frames_that_an_even_fork_drops_are_counted_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    forked = ForkProtocol("telnyx", CALL, is_even=True)
    for number, at in enumerate((0, 1000, 500, 10_000)):
        forked.take("s1", media(number, at, audio=b"\1" * 160), 0)
    forked.close()

    assert caplog.messages == [
        "frames came after their silence: 1; jumps of the carrier's clock: 1"
    ]


def test_a_second_stream_goes_on_in_the_time_of_the_fork() -> None:
    forked = fork()
    forked.take("s1", media(1, 0), 0)
    [frame] = parsed(forked.take("s2", media(1, 777), 5_000))

    assert frame["media"]["timestamp"] == "5000"


def test_keys_are_sent_and_the_carriers_own_messages_are_not() -> None:
    forked = fork()
    [key] = parsed(forked.take("s1", Dtmf(9, "inbound", "5"), 0))
    others: list[CarrierEvent] = [Error(None, "1", "x", "y"), Mark(3, "somebody-elses")]

    assert key["dtmf"] == {"digit": "5"}
    assert [forked.take("s1", event, 0) for event in others] == [[], []]


def test_a_mark_comes_back_to_the_fork_that_set_it_and_to_no_other() -> None:
    forked = fork()
    mark = forked.receive('{"event": "mark", "mark": {"name": "greeting-end"}}')
    assert isinstance(mark, ReturnMark)

    [echo] = parsed(forked.take("s1", Mark(9, mark.name), 0))
    assert echo["mark"] == {"name": "greeting-end"}
    assert mark.name != "greeting-end"
    # Once, though several of the call's streams may echo it.
    assert forked.take("s2", Mark(9, mark.name), 0) == []


@pytest.mark.parametrize(("dialect", "number"), [("telnyx", "2"), ("signalwire", "1")])
def test_no_number_is_spent_on_a_mark_that_has_none(dialect: str, number: str) -> None:
    forked = fork(dialect)
    mark = forked.receive('{"event": "mark", "mark": {"name": "greeting-end"}}')
    assert isinstance(mark, ReturnMark)
    forked.give_back(mark.name)
    [frame] = parsed(forked.take("s1", media(500, 9_000), 0))

    assert number == (frame.get("sequence_number") or frame["sequenceNumber"])


def test_marks_of_one_name_come_back_each_by_itself_also_to_a_successor() -> None:
    first = fork()
    marks = [first.receive('{"event": "mark", "mark": {"name": "a/b"}}') for _ in range(2)]
    legacy = msgspec.msgpack.encode(first.counters)
    second = ForkProtocol(
        "telnyx", CALL, counters=msgspec.msgpack.decode(legacy, type=ForkCounters)
    )
    another = replace(CALL, stream_id="another")

    for mark in marks:
        assert isinstance(mark, ReturnMark)
        assert ForkProtocol("telnyx", another, counters=first.counters).give_back(mark.name) == []
        [echo] = parsed(second.give_back(mark.name))
        assert echo["mark"] == {"name": "a/b"}
        assert second.give_back(mark.name) == []


def test_marks_that_never_come_back_are_forgotten() -> None:
    forked = fork()
    for _ in range(10_001):
        forked.receive('{"event": "mark", "mark": {"name": "x"}}')

    assert forked.give_back(f"{CALL.stream_id}/1/x") == []
    assert forked.give_back(f"{CALL.stream_id}/2/x")


@pytest.mark.parametrize("dialect", ["telnyx", "signalwire"])
def test_a_fork_reads_what_its_consumer_sends_back(dialect: str) -> None:
    forked, vendor = fork(dialect), DIALECTS[dialect]

    assert forked.receive(vendor.render_return(ReturnMedia(b"\x01"), "x")) == ReturnMedia(b"\x01")
    assert forked.receive(vendor.render_return(Clear(), "x")) == Clear()
    with pytest.raises(UnreadableMessage):
        forked.receive('{"event": "noise"}')


def test_only_signalwires_consumers_press_keys() -> None:
    text = '{"event": "dtmf", "streamSid": "x", "dtmf": {"digit": "5"}}'

    assert fork("signalwire").receive(text) == ReturnDtmf("5")
    with pytest.raises(UnreadableMessage):
        fork("telnyx").receive(text)


def test_only_telnyx_has_errors_for_what_cannot_be_used() -> None:
    [answer] = parsed(fork("telnyx").refuse("malformed", "The frame was not formed correctly"))

    assert answer["payload"] == {
        "code": 100003,
        "title": "malformed_frame",
        "detail": "The frame was not formed correctly",
    }
    assert "sequence_number" not in answer
    assert fork("signalwire").refuse("malformed", "") == []


def test_a_successor_goes_on_with_the_numbers() -> None:
    first = fork()
    first.open()
    first.take("s1", media(500, 9_000), 0)
    second = ForkProtocol("telnyx", CALL, counters=first.counters)
    [_, start] = parsed(second.open())
    [frame] = parsed(second.take("s1", media(501, 9_020), 99))

    assert start["sequence_number"] == "3"
    assert frame["sequence_number"] == "4"
    assert frame["media"] | {"payload": ""} == {
        "track": "inbound",
        "chunk": "2",
        "timestamp": "20",
        "payload": "",
    }


@pytest.mark.parametrize("dialect", ["telnyx", "signalwire", "twilio"])
def test_only_telnyx_repeats_the_token_of_the_handshake_in_its_first_message(dialect: str) -> None:
    headers = {"x-telnyx-streaming-auth-token": "s3cret", "authorization": "Bearer other"}
    connected = parsed(ForkProtocol(dialect, replace(CALL, handshake_headers=headers)).open())[0]

    handshake = connected.pop("connected", None)
    is_telnyx = dialect == "telnyx"
    assert handshake == ({"x-telnyx-streaming-auth-token": "s3cret"} if is_telnyx else None)
    assert connected == parsed(ForkProtocol(dialect, CALL).open())[0]


def test_a_refused_mark_takes_no_number_and_does_not_come_back() -> None:
    fork = ForkProtocol("telnyx", CALL)
    refused = fork.receive('{"event": "mark", "mark": {"name": "refused"}}')
    fork.withdraw()
    assert isinstance(refused, ReturnMark)
    assert fork.give_back(refused.name) == []
    taken = fork.receive('{"event": "mark", "mark": {"name": "taken"}}')

    assert isinstance(taken, ReturnMark)
    assert len(fork.give_back(taken.name)) == 1
