"""A call of SignalWire's in L16 at 24 kHz, forked in the codecs of its consumers."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import numpy as np
import pytest

from callstream.audio.conversion import converter
from callstream.audio.formats import AudioFormat
from callstream.dialects.events import Media, ReturnMedia
from callstream_cli.listener.fork import Fork
from callstream_cli.listener.server import Listener
from tests.stack.conftest import DeployedStack
from tests.stack.live import LiveCall, play, signalwire, telnyx

L16_24K = AudioFormat("L16", 24_000, 1)
WANTED = {
    "PCMU": AudioFormat("PCMU", 8000, 1),
    "OPUS": AudioFormat("OPUS", 16_000, 1),
    # Nothing encodes AMR-WB.
    "AMR-WB": L16_24K,
}
PITCH = 700


class ToneCall(LiveCall):
    """A call that has a tone instead of noise."""

    def __init__(self, stack: DeployedStack, call_id: str) -> None:
        super().__init__(stack, call_id, "signalwire", L16_24K)

    def _next(self) -> Media:
        number, size = len(self._frames), 480
        times = np.arange(number * size, (number + 1) * size) / 24_000
        tone = (8000 * np.sin(2 * np.pi * PITCH * times)).astype(">i2")
        self._frames.append(tone.tobytes())
        return Media(self._number(), "inbound", number + 1, number * 20, self._frames[-1])


def frames(fork: Fork) -> list[Media]:
    return [event for event in fork.state.in_order if isinstance(event, Media)]


def loudest(fork: Fork, format_: AudioFormat) -> tuple[float, float]:
    """The loudest pitch of half a second, in Hz, and its level in dB of the call's."""
    decoder = converter(format_, AudioFormat("L16", 8000, 1), "big")
    audio = b"".join(each for frame in frames(fork) for each in decoder.convert(frame.audio))
    wave = np.frombuffer(audio, ">i2")[-4000:] * np.hanning(4000)
    spectrum = np.abs(np.fft.rfft(wave))
    level = 20 * np.log10(spectrum.max() / (8000 * 4000 / 4))
    return float(spectrum.argmax() * 2), float(level)


def test_each_consumer_receives_the_call_in_its_own_codec(stack: DeployedStack) -> None:
    async def act() -> None:
        call = ToneCall(stack, "CA-wide")
        async with AsyncExitStack() as listening:
            own = await listening.enter_async_context(Listener(tls=True))
            telnyxs = {codec: await listening.enter_async_context(Listener()) for codec in WANTED}
            await listening.enter_async_context(call.going_on())
            fields = {"Url": own.url, "Track": "inbound_track"}
            start = partial(telnyx, stack, call.id, "streaming_start")
            await asyncio.gather(
                asyncio.to_thread(signalwire, stack, call.id, **fields),
                *(
                    asyncio.to_thread(start, stream_url=each.url, stream_codec=codec)
                    for codec, each in telnyxs.items()
                ),
            )
            forks = {codec: await listener.fork(0) for codec, listener in telnyxs.items()}
            fork = await own.fork(0)
            for each in (fork, *forks.values()):
                await each.until(lambda state: len(state.in_order) > 50)
            await fork.send_event(ReturnMedia(call.audio[:960]))
            assert await call.told() == ReturnMedia(call.audio[:960])

        assert fork.state.start is not None
        assert fork.state.start.format == L16_24K
        assert fork.state.audio("inbound") in call.audio
        for codec, each in forks.items():
            assert each.state.start is not None
            assert each.state.start.format == WANTED[codec]
            assert each.state.faults == {}
            assert loudest(each, WANTED[codec]) == pytest.approx((PITCH, 0), abs=1)
            times = [frame.timestamp for frame in frames(each)]
            assert times == list(range(times[0], times[0] + 20 * len(times), 20))

    play(act)
