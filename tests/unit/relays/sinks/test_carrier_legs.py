"""Sending to the carriers' legs: which leg gets what, in which codec."""

import asyncio
import json
from base64 import b64decode
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar, override

import pytest

from callstream.audio.conversion import Converter, UnusableAudio
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.calls.model import StartedStream
from callstream.dialects.events import (
    Clear,
    Media,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import Unavailable
from callstream.frames.records import Cleared, Record, Returned
from callstream.relays.sinks.carrier_legs import CarrierLegs
from callstream.relays.sinks.fork import ForkProtocol
from callstream.relays.sinks.posting import ReturnPackets
from callstream.relays.sinks.websocket import RelayForks
from tests.relays import make_relay
from tests.unit.items import started_stream

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def leg(
    call_id: str,
    dialect: str = "telnyx",
    encoding: str = "PCMU",
    rate: int = 8000,
    connection_id: str | None = None,
) -> StartedStream:
    return started_stream(
        f"stream-{call_id}",
        call_id=call_id,
        connection_id=connection_id or f"socket-{call_id}",
        carrier_stream_id=f"carrier-{call_id}",
        dialect=dialect,
        encoding=encoding,
        sample_rate=rate,
    )


class Scene:
    """The call `A`, whose other leg is the call `B`."""

    def __init__(self, *legs: StartedStream, surface: Any = "telnyx", **spec: Any) -> None:
        self.legs = list(legs) or [leg("A"), leg("B")]
        self.now = NOW
        self.looked = 0
        self.is_down = False
        self.gone: set[str] = set()
        self.unreachable: set[str] = set()
        self.posted: list[tuple[str, dict[str, Any]]] = []
        here: Any = self
        self.relay = make_relay(call_id="A", surface=surface, **spec)
        self.recorded: list[Record] = []
        answers: Any = SimpleNamespace(put=self.recorded.append)
        self.sender = CarrierLegs(self.relay, here, here, lambda: self.now, answers=answers)

    def fork(self, stream: StartedStream) -> ForkProtocol:
        tenant = SimpleNamespace(account_id=lambda _: "project")
        directory: Any = SimpleNamespace(tenant=lambda _: tenant)
        streams: Any = SimpleNamespace(call=lambda *_: None, parameters=lambda _: {})
        return RelayForks(self.relay, streams, directory).make([stream], None)

    def send_back(self, event: ReturnEvent, *, ends_speech: bool = False) -> Collection[str]:
        sending = self.sender.send_back(event, PCMU_8K, ends_speech=ends_speech)
        return asyncio.run(sending)

    def open_streams(self, tenant_id: str, call_id: str) -> list[StartedStream]:
        assert tenant_id == "acme"
        self.looked += 1
        if self.is_down:
            raise Unavailable("dynamodb", "Throttled")
        return [each for each in self.legs if each.call_id == call_id]

    def other_legs(self, _tenant_id: str, call_id: str) -> list[str]:
        return sorted({each.call_id for each in self.legs} - {call_id})

    def post(self, connection_id: str, data: bytes) -> bool:
        if connection_id in self.unreachable:
            raise Unavailable("apigateway", "Throttled")
        if connection_id in self.gone:
            return False
        self.posted.append((connection_id, json.loads(data)))
        return True

    @property
    def audio(self) -> dict[str, bytes]:
        return {
            socket: b64decode(text["media"]["payload"])
            for socket, text in self.posted
            if text["event"] == "media"
        }


@pytest.mark.parametrize(
    ("meant", "sockets", "others"),
    [
        ("self", ["socket-A"], set()),
        ("opposite", ["socket-B"], {"stream-B"}),
        ("both", ["socket-A", "socket-B"], {"stream-B"}),
    ],
)
def test_audio_goes_to_the_target_legs(meant: str, sockets: list[str], others: set[str]) -> None:
    scene = Scene(target_legs=meant)

    assert scene.send_back(ReturnMedia(b"\x01")) == others
    assert sorted(socket for socket, _ in scene.posted) == sockets


def test_the_other_legs_are_known_before_anything_is_sent() -> None:
    alone, opposite = Scene(), Scene(target_legs="opposite")

    assert asyncio.run(opposite.sender.other_legs()) == {"stream-B"}
    assert asyncio.run(alone.sender.other_legs()) == set()
    assert alone.looked == 0


def test_each_leg_gets_its_own_codec() -> None:
    legs = leg("A", encoding="PCMA"), leg("B", encoding="L16"), leg("C", "twilio")
    scene = Scene(*legs, target_legs="both")
    scene.send_back(ReturnMedia(b"\xff\x00"))

    assert scene.audio == {
        "socket-A": b"\xd5\x2a",
        "socket-B": b"\0\0" + (-32124).to_bytes(2, "big", signed=True),
        "socket-C": b"\xff\x00",
    }


class Numbered(Converter):
    """A converter that puts its number before its audio, and holds one payload until the next."""

    made: ClassVar[list[AudioFormat]] = []

    def __init__(self, _source: AudioFormat, target: AudioFormat, _byte_order: str) -> None:
        self.made.append(target)
        self.number, self.held = bytes([len(self.made)]), list[bytes]()

    @override
    def convert(self, audio: bytes) -> list[bytes]:
        ready, self.held = self.held, [self.number + audio]
        return ready

    @override
    def flush(self) -> list[bytes]:
        ready, self.held = self.held, []
        return ready

    @override
    def forget(self) -> None:
        self.number, self.held = b"r", []


def test_a_connection_has_one_converter_that_begins_anew_after_a_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Numbered, "made", [])
    monkeypatch.setattr("callstream.relays.sinks.carrier_legs.converter", Numbered)
    scene = Scene(leg("A"))
    for event in (ReturnMedia(b"a"), ReturnMedia(b"b"), Clear(), ReturnMedia(b"c")):
        scene.send_back(event)
    # What the converter holds is played before a mark, unless speech goes on after the mark.
    scene.send_back(ReturnMark("said"))
    scene.send_back(ReturnMark("said all"), ends_speech=True)
    again = leg("A", connection_id="again")
    scene.legs.append(again)
    scene.gone.add("socket-A")
    for each in (ReturnMedia(b"lost"), ReturnMedia(b"e"), ReturnMark("more")):
        scene.send_back(each, ends_speech=isinstance(each, ReturnMark))

    said = [
        (socket, b64decode(text["media"]["payload"]) if text["event"] == "media" else text["event"])
        for socket, text in scene.posted
    ]
    assert said == [
        ("socket-A", b"\1a"),
        ("socket-A", "clear"),
        ("socket-A", "mark"),
        ("socket-A", b"rc"),
        ("socket-A", "mark"),
        ("again", b"\2e"),
        ("again", "mark"),
    ]


def test_a_leg_gets_whole_pieces_of_short_packets_and_the_rest_when_speech_ends() -> None:
    scene = Scene(leg("A"))
    opus = AudioFormat("OPUS", 16_000, 1)
    for ends_speech in (False, False, False, True):
        # RFC 6716: the second configuration of four has 10 ms.
        packet = ReturnMedia(b"" if ends_speech else bytes([18 << 3]) + b"\xff\xfe")
        asyncio.run(scene.sender.send_back(packet, opus, ends_speech=ends_speech))

    assert [len(b64decode(text["media"]["payload"])) for _, text in scene.posted] == [160, 160]


def test_packets_are_one_message_to_a_leg_whose_audio_can_be_joined() -> None:
    opus = AudioFormat("OPUS", 16_000, 1)
    scene = Scene(leg("A"), leg("B", encoding="OPUS", rate=16_000), target_legs="both")
    # RFC 6716: 20 ms each.
    packets = (b"\x08\xff\xfe",) * 2
    event = ReturnPackets(b"".join(packets), packets=packets)
    asyncio.run(scene.sender.send_back(event, opus))

    sizes = [(socket, len(b64decode(text["media"]["payload"]))) for socket, text in scene.posted]
    assert sorted(sizes) == [("socket-A", 320), ("socket-B", 3), ("socket-B", 3)]


def test_damaged_packet_is_reported_and_the_others_are_played() -> None:
    good, bad = b"\x08\xff\xfe", b"\x0b"
    for packets in ((bad, good, good), (good, bad, good), (good, good, bad)):
        scene = Scene(leg("A"))
        event = ReturnPackets(b"".join(packets), packets=packets)
        with pytest.raises(UnusableAudio, match="not OPUS"):
            asyncio.run(scene.sender.send_back(event, AudioFormat("OPUS", 16_000, 1)))

        assert len(scene.audio["socket-A"]) == 320


def test_a_leg_that_cannot_play_audio_is_reported_and_the_other_plays_it() -> None:
    legs = leg("A", encoding="AMR-WB", rate=16000), leg("B")
    scene = Scene(*legs, target_legs="both")
    with pytest.raises(UnusableAudio, match=r"PCMU at 8000 Hz cannot .* AMR-WB at 16000 Hz"):
        scene.send_back(ReturnMedia(b"\x01"))

    assert scene.audio == {"socket-B": b"\x01"}


@pytest.mark.parametrize("event", [ReturnMedia(b"\x01"), ReturnMark("x")])
def test_a_call_without_the_target_leg_is_reported(event: ReturnEvent) -> None:
    scene = Scene(leg("A"), target_legs="opposite")
    with pytest.raises(UnusableAudio, match="opposite"):
        scene.send_back(event)


def test_keys_go_to_the_carriers_that_can_press_them() -> None:
    legs = leg("A", "signalwire"), leg("B", "telnyx"), leg("C", "twilio")
    scene = Scene(*legs, target_legs="both")
    scene.send_back(ReturnDtmf("5"))

    [(socket, text)] = scene.posted
    assert socket == "socket-A"
    assert text == {"event": "dtmf", "streamSid": "carrier-A", "dtmf": {"digit": "5"}}


def test_legs_are_looked_up_once_a_second() -> None:
    scene = Scene()
    for _ in range(500):
        scene.send_back(ReturnMedia(b"\x01"))
        scene.now += timedelta(milliseconds=4)

    assert len(scene.posted) == 500
    assert scene.looked == 2


def test_a_carrier_that_connects_again_misses_nothing() -> None:
    scene = Scene()
    scene.send_back(ReturnMedia(b"\x01"))
    again = leg("A", connection_id="again")
    scene.legs.append(again)
    scene.gone.add("socket-A")
    for _ in range(10):
        scene.send_back(ReturnMedia(b"\x02"))

    assert [socket for socket, _ in scene.posted] == ["socket-A", *["again"] * 10]
    # What is gone is still in the table, and is not asked about again and again.
    assert scene.looked == 2


def test_a_leg_that_cannot_be_reached_keeps_nothing_from_the_other() -> None:
    scene = Scene(target_legs="both")
    scene.unreachable.add("socket-A")
    with pytest.raises(Unavailable):
        scene.send_back(ReturnMedia(b"\x01"))

    assert scene.audio == {"socket-B": b"\x01"}


def test_converters_of_connections_that_are_over_are_forgotten() -> None:
    scene = Scene()
    for number in range(20):
        scene.legs = [leg("A", connection_id=f"socket-{number}")]
        scene.now += timedelta(seconds=2)
        scene.send_back(ReturnMedia(b"\x01"))

    assert scene.sender.audio.keys() == {"socket-19"}


def test_known_legs_are_used_while_the_table_does_not_answer() -> None:
    scene = Scene()
    scene.is_down = True
    with pytest.raises(Unavailable):
        scene.send_back(ReturnMedia(b"\x01"))
    scene.is_down = False
    scene.send_back(ReturnMedia(b"\x01"))
    scene.is_down = True
    scene.now += timedelta(seconds=5)
    scene.send_back(ReturnMedia(b"\x02"))

    assert len(scene.posted) == 2


@pytest.mark.parametrize(
    ("codec", "encoding", "payload"), [("PCMA", "PCMA", "1Q=="), ("AMR-WB", "PCMU", "/w==")]
)
def test_a_forks_start_names_its_codec(codec: str, encoding: str, payload: str) -> None:
    scene = Scene(codec=codec, return_audio={"encoding": "PCMU", "sample_rate": 8000})
    fork = scene.fork(leg("A"))
    start = json.loads(fork.open()[1])["start"]
    [frame] = fork.take("stream-A", Media(1, "inbound", 1, 0, b"\xff"), 0)

    assert start["media_format"] == {"encoding": encoding, "sample_rate": 8000, "channels": 1}
    assert json.loads(frame)["media"]["payload"] == payload
    assert fork.return_format == PCMU_8K


def test_signalwire_consumers_send_the_forks_format() -> None:
    linear = AudioFormat("L16", 16000, 1)
    fork = Scene(surface="signalwire").fork(leg("A", encoding="L16", rate=16000))

    assert json.loads(fork.open()[1])["start"]["mediaFormat"]["encoding"] == "audio/x-L16"
    assert fork.return_format == linear


def stream(stream_id: str, tracks: list[str]) -> StartedStream:
    """One of several streams of the call `A`."""
    return started_stream(
        stream_id,
        call_id="A",
        connection_id=f"socket-{stream_id}",
        tracks=tracks,
    )


@pytest.mark.parametrize(
    ("streams", "played_on"),
    [
        # Bidirectional streams have the inbound track alone.
        ([stream("in", ["inbound"]), stream("out", ["outbound"])], {"socket-in"}),
        ([stream("both", ["inbound", "outbound"]), stream("in", ["inbound"])], {"socket-in"}),
        ([stream("both", ["inbound", "outbound"]), stream("out", ["outbound"])], {"socket-both"}),
        # Nobody says which of these is bidirectional: a one-way stream plays nothing.
        ([stream("a", ["inbound"]), stream("b", ["inbound"])], {"socket-a", "socket-b"}),
        ([stream("a", []), stream("b", [])], {"socket-a", "socket-b"}),
        ([stream("out", ["outbound"])], {"socket-out"}),
    ],
)
def test_return_audio_goes_to_the_streams_of_a_leg_that_may_be_bidirectional(
    streams: list[StartedStream], played_on: set[str]
) -> None:
    scene = Scene(*streams)
    for event in (ReturnMedia(b"\x01"), ReturnMark("m"), ReturnDtmf("5")):
        scene.send_back(event)

    assert {socket for socket, _ in scene.posted} == played_on


def test_return_audio_goes_to_another_stream_if_a_connection_is_gone() -> None:
    scene = Scene(stream("in", ["inbound"]), stream("both", ["inbound", "outbound"]))
    scene.gone = {"socket-in"}
    scene.send_back(ReturnMedia(b"\x01"))

    assert [socket for socket, _ in scene.posted] == ["socket-both"]


def test_posted_audio_and_clears_are_recorded_under_the_stream_of_each_leg() -> None:
    scene = Scene(leg("A"), leg("B", encoding="PCMA"), leg("C"), target_legs="both")
    scene.unreachable = {"socket-C"}

    with pytest.raises(Unavailable):
        scene.send_back(ReturnMedia(b"\xff" * 160))
    scene.unreachable = set()
    scene.legs.pop()
    scene.now += timedelta(seconds=2)
    scene.send_back(ReturnMark("m"))
    scene.send_back(Clear())

    relay_id = scene.relay.relay_id
    at = {each.received_at for each in scene.recorded}
    assert at == {round((NOW + timedelta(seconds=s)).timestamp() * 1000) for s in (0, 2)}
    assert {each.dialect for each in scene.recorded} == {None}
    events: defaultdict[str, list[Any]] = defaultdict(list)
    for each in scene.recorded:
        events[each.stream_id].append(each.event)
    silence = {"stream-A": b"\xff", "stream-B": b"\xd5"}
    assert events.keys() == silence.keys()
    for stream_id, (first, second) in events.items():
        assert first == Returned(relay_id, first.number, silence[stream_id] * 160)
        assert second == Cleared(relay_id, second.number)
        assert first.number < second.number
