"""Return audio of consumers on the deployed stack: its legs, its codecs, and its errors."""

import asyncio
from typing import Any

import audioop
import numpy as np
import pytest

from callstream.audio.conversion import converter
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.audio.packetizer import MP3
from callstream.dialects.events import Clear, ReturnMark, ReturnMedia
from callstream_cli.listener.fork import Fork
from callstream_cli.listener.server import Listener
from tests.mp3_files import mp3
from tests.stack.conftest import DeployedStack
from tests.stack.live import FRAME, SHUFFLED, LiveCall, heard, play, telnyx

RTP = {"stream_bidirectional_mode": "rtp"}
OWN = {"stream_bidirectional_target_legs": "self"}
OPUS, G722 = AudioFormat("OPUS", 16_000, 1), AudioFormat("G722", 8000, 1)
SECOND = 50 * FRAME
PITCH = 700


def rtp(format_: AudioFormat) -> dict[str, Any]:
    return RTP | {
        "stream_bidirectional_codec": format_.encoding,
        "stream_bidirectional_sampling_rate": format_.sample_rate,
    }


L16 = rtp(AudioFormat("L16", 8000, 1))


def linear(audio: bytes, codec: str) -> bytes:
    """As L16 is by default."""
    law = audioop.ulaw2lin if codec == "PCMU" else audioop.alaw2lin
    return audioop.byteswap(law(audio, 2), 2)


async def forked(stack: DeployedStack, call: LiveCall, listener: Listener, **settings: Any) -> Fork:
    """Fork a call to a listener, and wait until it is heard there."""
    number = len(listener.forks)
    settings["stream_url"] = f"{listener.url}{number}"
    await asyncio.to_thread(telnyx, stack, call.id, "streaming_start", **settings)
    fork = await listener.fork(number)
    await heard(fork, 2 * SHUFFLED)
    return fork


async def errors(fork: Fork, *codes: str) -> None:
    """Wait until these errors have been told, and see that no others have."""
    await fork.until(lambda state: len(state.errors) >= len(codes))
    assert [error.code for error in fork.state.errors] == [*codes]


def test_each_leg_receives_return_audio_in_its_own_codec_and_marks_come_back_once(
    stack: DeployedStack,
) -> None:
    async def act() -> None:
        here = LiveCall(stack, "v3:here", "telnyx", "PCMU", "session-1")
        there = LiveCall(stack, "v3:there", "telnyx", "PCMA", "session-1")
        async with Listener() as listener, here.going_on(), there.going_on():
            both = {"stream_codec": "L16", "stream_bidirectional_target_legs": "both"}
            one = await forked(stack, here, listener, **L16, **both)
            # The opposite leg is the default.
            two = await forked(stack, there, listener, **RTP, stream_codec="L16")
            # From 8 kHz mu-law and A-law, in uneven messages.
            answer = here.audio[: 3 * FRAME]
            spoken = linear(answer, "PCMU")
            for message in (spoken[:333], spoken[333:]):
                await one.send_event(ReturnMedia(message))
            await one.send_event(ReturnMark("said"))
            assert await here.told_audio(3 * FRAME) == answer.replace(b"\x7f", b"\xff")
            alaw = audioop.lin2alaw(audioop.ulaw2lin(answer, 2), 2)
            assert await there.told_audio(3 * FRAME) == alaw
            await asyncio.gather(here.mark(), there.mark())
            # What is less than a piece is filled up with silence before the mark.
            await two.send_event(ReturnMedia(answer[:100]))
            await two.send_event(ReturnMark("too"))
            assert await here.told_audio(FRAME) == answer[:100] + b"\xff" * 60
            await here.mark()
            for fork, mark in ((one, "said"), (two, "too")):
                await fork.until(lambda state: bool(state.marks))
                assert fork.state.marks == [mark]
                assert fork.state.faults == {}

        for fork, call, codec in ((one, here, "PCMU"), (two, there, "PCMA")):
            start = fork.state.start
            assert start is not None
            assert (start.format.encoding, start.format.sample_rate) == ("L16", 8000)
            came = fork.state.audio("inbound")[2 * SHUFFLED * FRAME :]
            assert len(came) > 0
            assert came in linear(call.audio, codec)

    play(act)


def test_clear_overtakes_a_burst_and_unusable_audio_is_reported(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-answered")
        async with Listener() as listener, call.going_on():
            fork = await forked(stack, call, listener, **RTP, **OWN)
            # An hour may wait, and not much more.
            for _ in range(5):
                await fork.send_event(ReturnMedia(call.audio[:FRAME] * 50 * 900))
            await fork.send_event(ReturnMark("never played"))
            await errors(fork, "100005")
            await fork.send_event(Clear())
            await fork.send_event(ReturnMedia(b"\x01" * FRAME))
            await fork.send_event(ReturnMark("played"))
            cleared = 0
            while isinstance(event := await call.told(), ReturnMedia):
                cleared += len(event.audio)
            assert event == Clear()
            assert cleared < 20 * SECOND
            assert await call.told_audio(FRAME) == b"\x01" * FRAME
            assert "never played" not in (await call.mark()).name
            await fork.until(lambda state: len(state.marks) == 2)
            assert fork.state.marks == ["never played", "played"]

            await fork.send('{"event": "noise"}')
            await fork.send('{"event": "media", "media": {"payload": "*"}}')
            await errors(fork, "100005", "100003", "100004")
            # Telnyx's default mode, which takes one message a second.
            other = await forked(stack, call, listener, **OWN)
            for _ in range(2):
                await other.send_event(ReturnMedia(b"RIFF\0\0\0\0WAVEfmt "))
            await errors(other, "100002", "100005")
            assert "WAV" in other.state.errors[0].detail

    play(act)


def test_speech_of_any_length_at_once_is_played_whole_before_its_mark(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-long")
        async with Listener() as listener, call.going_on():
            fork = await forked(stack, call, listener, **RTP, **OWN)
            speech = b"".join(number.to_bytes(4) for number in range(0, 90 * SECOND, 4))
            await fork.send_event(ReturnMedia(speech))
            await fork.send_event(ReturnMark("said"))
            # The first of it comes at once, the rest as the carrier plays; or when it is hung up.
            first = await call.told_audio(SECOND)
            await fork.close()
            rest = await call.told_until_mark()
        assert first + b"".join(rest) == speech

    play(act)


def tone(format_: AudioFormat) -> list[bytes]:
    """A second of a tone, in payloads of a format."""
    rate = format_.audio_rate
    samples = 8000 * np.sin(np.arange(rate) * 2 * np.pi * PITCH / rate)
    audio = samples.astype(">i2").tobytes()
    if format_.encoding == MP3:
        return [mp3(samples.astype(np.int16).tobytes(), rate)]
    made = converter(AudioFormat("L16", rate, 1), format_, "big")
    frame = rate // 50 * 2
    return [
        payload
        for at in range(0, len(audio), frame)
        for payload in made.convert(audio[at : at + frame])
    ]


def pitch(payloads: list[bytes], format_: AudioFormat) -> float:
    """The loudest frequency of payloads, in Hz."""
    made = converter(format_, AudioFormat("L16", format_.audio_rate, 1), "big")
    audio = b"".join(each for payload in payloads for each in made.convert(payload))
    samples = np.frombuffer(audio, ">i2")
    assert 0.9 < len(samples) / format_.audio_rate < 1.3
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * format_.audio_rate / len(samples)


@pytest.mark.parametrize(
    ("leg", "consumers"),
    [
        (PCMU_8K, [AudioFormat(MP3, 44_100, 1), OPUS]),
        (G722, [AudioFormat("L16", 24_000, 1)]),
        (OPUS, [AudioFormat(MP3, 16_000, 1), G722]),
    ],
    ids=lambda value: value.encoding if isinstance(value, AudioFormat) else "",
)
def test_consumers_audio_is_heard_in_the_codec_of_the_leg(
    stack: DeployedStack, leg: AudioFormat, consumers: list[AudioFormat]
) -> None:
    async def act() -> None:
        call = LiveCall(stack, f"v3:{leg.encoding}", "telnyx", leg)
        async with Listener() as listener, call.going_on():
            for format_ in consumers:
                # A command without a mode has the mode mp3.
                settings = {} if format_.encoding == MP3 else rtp(format_)
                fork = await forked(stack, call, listener, **OWN, **settings)
                for payload in tone(format_):
                    await fork.send_event(ReturnMedia(payload))
                await fork.send_event(ReturnMark("said"))
                heard = pitch(await call.told_until_mark(), leg)
                assert abs(heard - PITCH) < 10
                assert fork.state.errors == []

    play(act)
