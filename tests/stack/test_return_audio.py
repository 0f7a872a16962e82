"""Return audio of consumers on the deployed stack: its legs, its codecs, and its errors."""

import asyncio
from typing import Any

import audioop

from callstream.dialects.events import Clear, ReturnMark, ReturnMedia
from callstream_cli.listener.fork import Fork
from callstream_cli.listener.server import Listener
from tests.stack.conftest import DeployedStack
from tests.stack.live import FRAME, SHUFFLED, LiveCall, heard, play, telnyx

RTP = {"stream_bidirectional_mode": "rtp"}
L16 = RTP | {"stream_bidirectional_codec": "L16"}
SECOND = 50 * FRAME


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
            own = {"stream_bidirectional_target_legs": "self"}
            fork = await forked(stack, call, listener, **RTP, **own)
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
            # Telnyx's default mode, which takes one file a second.
            other = await forked(stack, call, listener, **own)
            for _ in range(2):
                await other.send_event(ReturnMedia(b"ID3"))
            await errors(other, "100002", "100005")
            assert "rtp" in other.state.errors[0].detail

    play(act)
