"""What the caller hears: the audio that came back, on the call's time line. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import ByteOrder
from callstream_cli import audio
from callstream_cli.carrier.playback import Playback
from callstream_cli.codecs import Samples, TrackDecoder

# Audio that is played without a pause stands together, however times are rounded.
_ROUNDING_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Heard:
    """The audio that was played; `rate` is in Hz."""

    samples: Samples
    rate: int
    undecodable: int
    """Messages whose audio the call's codec cannot decode."""

    @property
    def seconds(self) -> float:
        """From the beginning of the call to the end of the last audio."""
        return len(self.samples) / self.rate

    def wav(self) -> bytes:
        """The audio as a WAV file. Raises `audio.TooLongError`."""
        return audio.wav("pcm16", 1, self.rate, self.samples.tobytes())


def heard(playback: Playback, byte_order: ByteOrder) -> Heard:
    """Decode what was played, with silence between.

    Args:
        playback: of a call that has ended.
        byte_order: the byte order of L16.
    """
    decoder, rate = TrackDecoder(playback.format, byte_order), playback.format.audio_rate
    parts: list[Samples] = [np.zeros(0, np.int16)]
    end = undecodable = 0
    for piece in playback.played:
        try:
            samples = decoder.decode(piece.audio)
        except UnusableAudio:
            undecodable += 1
            continue
        samples = samples[: round(piece.seconds * rate)]
        pause = round(piece.at * rate) - end
        if len(samples) and pause > rate * _ROUNDING_SECONDS:
            parts.append(np.zeros(pause, np.int16))
            end += pause
        parts.append(samples)
        end += len(samples)
    return Heard(np.concatenate(parts), rate, undecodable)
