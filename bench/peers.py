"""Parsing and rendering a frame, compared with pipecat's serializers, in pipecat's environment.

That environment's interpreter runs this module as a script and finds our library by its path. Both
sides convert a message of the carrier into an object with 20 ms of 16-bit samples at 8 kHz, and
such samples into a message for the carrier. Our dialects keep the carrier's mu-law, so the
conversion is added to our side, with the same function that pipecat uses. Pipecat's pipeline runs
at 8 kHz, so that it does not resample.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

import audioop
from pipecat.frames.frames import OutputAudioRawFrame  # type: ignore[import-not-found]
from pipecat.serializers.telnyx import TelnyxFrameSerializer  # type: ignore[import-not-found]
from pipecat.serializers.twilio import TwilioFrameSerializer  # type: ignore[import-not-found]

from bench.measures import Seconds, race
from bench.samples import CARRIER_STREAM, frames, messages
from callstream.dialects import DIALECTS, Dialect
from callstream.dialects.events import Media, ReturnMedia
from callstream.frames.publisher import read

# Repetitions of a second of audio.
_REPEATS: Final = 40
_RATE: Final = 8_000
_SAMPLE_BYTES: Final = 2


def _twilio() -> Any:  # noqa: ANN401  # pipecat is not installed where types are checked
    params = TwilioFrameSerializer.InputParams(auto_hang_up=False, sample_rate=_RATE)
    return TwilioFrameSerializer(CARRIER_STREAM, params=params)


def _telnyx() -> Any:  # noqa: ANN401
    params = TelnyxFrameSerializer.InputParams(auto_hang_up=False, sample_rate=_RATE)
    return TelnyxFrameSerializer(CARRIER_STREAM, "PCMU", "PCMU", params=params)


# Pipecat has no serializer for SignalWire, whose messages are nearly Twilio's.
_PEERS: Final[dict[str, Callable[[], Any]]] = {
    "twilio": _twilio,
    "telnyx": _telnyx,
    "signalwire": _twilio,
}


class _Setup:
    """The part of pipecat's `FrameProcessorSetup` that serializers read."""

    audio_in_sample_rate = _RATE


def _compare(dialect: str, loop: asyncio.AbstractEventLoop) -> dict[str, Seconds]:
    """CPU seconds a frame, by operation."""
    ours, peer = DIALECTS[dialect], _PEERS[dialect]()
    texts = messages(dialect) * _REPEATS
    samples = [audioop.ulaw2lin(frame, _SAMPLE_BYTES) for frame in frames()] * _REPEATS
    outgoing = [OutputAudioRawFrame(pcm, _RATE, 1) for pcm in samples]
    loop.run_until_complete(peer.setup(_Setup()))
    loop.run_until_complete(_must_agree(dialect, peer, texts, outgoing))

    async def deserialize() -> None:
        for text in texts:
            await peer.deserialize(text)

    async def serialize() -> None:
        for frame in outgoing:
            await peer.serialize(frame)

    def against(
        mine: Callable[[], None], theirs: Callable[[], Coroutine[Any, Any, None]]
    ) -> Seconds:
        spent = race(mine, lambda: loop.run_until_complete(theirs()), loops=1)
        return Seconds(spent.ours / len(texts), spent.floor / len(texts))

    return {
        "parse": against(lambda: _parse(ours, texts), deserialize),
        "recognise and parse": against(lambda: _recognise_and_parse(texts), deserialize),
        "render": against(lambda: _render(ours, samples), serialize),
    }


def _parse(dialect: Dialect, texts: list[str]) -> None:
    for text in texts:
        event = dialect.parse(text)
        if isinstance(event, Media):
            audioop.ulaw2lin(event.audio, _SAMPLE_BYTES)


def _recognise_and_parse(texts: list[str]) -> None:
    for text in texts:
        event = read(text).event
        if isinstance(event, Media):
            audioop.ulaw2lin(event.audio, _SAMPLE_BYTES)


def _render(dialect: Dialect, samples: list[bytes]) -> None:
    for pcm in samples:
        audio = audioop.lin2ulaw(pcm, _SAMPLE_BYTES)
        dialect.render_return(ReturnMedia(audio), CARRIER_STREAM)


async def _must_agree(dialect: str, peer: Any, texts: list[str], outgoing: list[Any]) -> None:  # noqa: ANN401
    """Check that both sides have the same results; otherwise a comparison means nothing."""
    ours = DIALECTS[dialect]
    for text, frame in zip(texts, outgoing, strict=True):
        event = ours.parse(text)
        theirs = await peer.deserialize(text)
        if not isinstance(event, Media) or theirs is None:
            raise TypeError(f"{dialect}: a frame was not read as a frame")
        pcm = audioop.ulaw2lin(event.audio, _SAMPLE_BYTES)
        rendered = ours.render_return(
            ReturnMedia(audioop.lin2ulaw(frame.audio, _SAMPLE_BYTES)), CARRIER_STREAM
        )
        if theirs.audio != pcm or json.loads(rendered) != json.loads(await peer.serialize(frame)):
            raise ValueError(f"{dialect}: the two sides have different results")


def _main() -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        sys.stdout.write(json.dumps({name: _compare(name, loop) for name in _PEERS}))


if __name__ == "__main__":
    _main()
