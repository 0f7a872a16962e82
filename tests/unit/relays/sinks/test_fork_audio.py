"""The audio of a fork: each track by a converter of its own, with the right times."""

from unittest.mock import Mock

import pytest

from callstream.audio.codecs import codec
from callstream.audio.conversion import Converter
from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder
from callstream.audio.packets import seconds
from callstream.relays.sinks import fork_audio
from callstream.relays.sinks.fork_audio import ForkAudio, Payload

PCMA, OPUS = AudioFormat("PCMA", 8000, 1), AudioFormat("OPUS", 8000, 1)
PACKET = b"\x08"
"""The first byte of a packet of Opus of 20 ms."""


class Packets(Converter):
    """Makes packets of 160 bytes, which the tests take for 20 ms of Opus."""

    made: list["Packets"]

    def __init__(self, source: AudioFormat, target: AudioFormat, order: ByteOrder) -> None:
        assert (source, target, order) == (PCMU_8K, OPUS, "big")
        self.held = b""
        self.restarted = 0
        self.made.append(self)

    def convert(self, audio: bytes) -> list[bytes]:
        audio = self.held + audio
        packets, self.held = len(audio) // 160, audio[len(audio) // 160 * 160 :]
        return [PACKET + audio[160 * number :][:160] for number in range(packets)]

    def flush(self) -> list[bytes]:
        return self.convert(bytes(-len(self.held) % 160))

    def restart(self) -> None:
        self.restarted += 1


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> list[Packets]:
    Packets.made = []
    monkeypatch.setattr(fork_audio, "converter", Packets)
    return Packets.made


def times(payloads: list[Payload]) -> list[float]:
    return [payload.at_ms for payload in payloads]


def test_audio_of_the_forks_own_format_is_not_touched() -> None:
    audio = ForkAudio(PCMU_8K, {"s1": PCMU_8K})

    assert audio.take("s1", "inbound", b"", 20) == [Payload(20, b"")]
    assert audio.take("s2", "inbound", b"\x01\x02", 40) == [Payload(40, b"\x01\x02")]
    assert audio.flush(is_final=True) == []


def test_a_stream_of_another_format_is_converted_from_its_own() -> None:
    audio = ForkAudio(PCMA, {"s1": PCMU_8K})
    audio.add_stream("s2", PCMA)

    assert audio.take("s1", "inbound", b"\xff", 0) == [Payload(0, b"\xd5")]
    assert audio.take("s2", "inbound", b"\x01", 1) == [Payload(1, b"\x01")]
    # A stream whose start nobody has read is like the first.
    assert audio.take("s3", "outbound", b"\xff", 2) == [Payload(2, b"\xd5")]


def test_each_track_has_a_converter_that_begins_anew_with_another_stream(
    packets: list[Packets],
) -> None:
    audio = ForkAudio(OPUS, {"s1": PCMU_8K})
    audio.prepare("s1", ["inbound", "outbound"])
    for stream_id, track in (("s1", "inbound"), ("s1", "outbound"), ("s1", "inbound")):
        audio.take(stream_id, track, bytes(160), 0)  # type: ignore[arg-type]
    assert [each.restarted for each in packets] == [0, 0]

    audio.take("s2", "inbound", bytes(160), 0)
    audio.take("s2", "inbound", bytes(160), 0)
    assert [each.restarted for each in packets] == [1, 0]


def test_silence_of_packets_is_encoded_and_its_codec_imported_before_the_first() -> None:
    audio = ForkAudio(OPUS, {"s1": OPUS})
    assert audio.can_fill
    with pytest.MonkeyPatch.context() as imports:
        imports.setattr(codec, "load", loaded := Mock(wraps=codec.load))
        audio.prepare("s1", ["inbound"], fills=True)
        assert loaded.call_count == 1
        [silence] = audio.silence("inbound", 20, 100)
        assert loaded.call_count == 1

    assert silence.at_ms == 100
    assert seconds(silence.audio, OPUS) == 0.02
    assert not ForkAudio(AudioFormat("AMR-WB", 16_000, 1)).can_fill


def test_packets_have_the_times_of_the_audio_in_them(packets: list[Packets]) -> None:
    audio = ForkAudio(OPUS, {"s1": PCMU_8K})
    made = [
        audio.take("s1", "inbound", bytes(size), at)
        # 30, 5, 5, 60 and, after a gap, 30 ms.
        for size, at in ((240, 100), (40, 130), (40, 135), (480, 140), (240, 1000))
    ]

    assert [times(each) for each in made] == [[100], [], [120], [140, 160, 180], [1000]]
    assert len(packets) == 1
    [(track, rest)] = audio.flush(is_final=False)
    assert (track, rest.at_ms) == ("inbound", 1020)
    # An encoder that looks ahead has something left, of which a successor knows nothing.
    packets[0].held = b"\0"
    assert audio.flush(is_final=False) == []
    [(track, rest)] = audio.flush(is_final=True)
    assert (track, rest.at_ms) == ("inbound", 1030)
    assert audio.flush(is_final=True) == []


def test_audio_that_makes_no_packet_does_not_delay_the_next(
    packets: list[Packets], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = ForkAudio(OPUS, {"s1": PCMU_8K})
    audio.prepare("s1", ["inbound"])
    with monkeypatch.context() as damaged:
        damaged.setattr(packets[0], "convert", lambda _: [])
        for number in range(5):
            assert audio.take("s1", "inbound", bytes(160), number * 20) == []

    assert times(audio.take("s1", "inbound", bytes(160), 100)) == [100]


def test_a_stream_that_cannot_be_converted_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    audio = ForkAudio(PCMA, {"s1": AudioFormat("EVS", 16_000, 1)})

    assert audio.take("s1", "inbound", b"\x01", 0) == []
    assert audio.take("s1", "outbound", b"\x01", 0) == []
    [line] = caplog.messages
    assert "EVS at 16000 Hz cannot be converted" in line


def test_a_damaged_packet_is_left_out_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    audio = ForkAudio(PCMU_8K, {"s1": OPUS})
    for at in (0, 20):
        assert audio.take("s1", "inbound", b"", at) == []

    assert audio.take("s1", "inbound", PACKET, 40) == [Payload(40, b"\xff" * 160)]
    assert [each.message for each in caplog.records] == ["audio is not sent: the audio is not OPUS"]
