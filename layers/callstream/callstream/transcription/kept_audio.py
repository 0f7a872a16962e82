"""The audio that a recognition may need again: a bounded stretch of its timeline. Pure."""

from array import array
from collections.abc import Sequence
from typing import Final

SAMPLE_BYTES: Final = 2


class KeptAudio:
    """Interleaved 16-bit audio. Places are in samples of one channel, from the timeline's zero.

    Args:
        channels: the number of channels.
        begin: the place of the first sample.
        most: so many samples of each channel are kept at most; the oldest are dropped.
    """

    def __init__(self, channels: int, begin: int, most: int) -> None:
        self._channels = channels
        self._frame = channels * SAMPLE_BYTES
        self._most = most
        self._audio = bytearray()
        self.begin = begin

    @property
    def end(self) -> int:
        """The place after the last sample."""
        return self.begin + len(self._audio) // self._frame

    def append(self, audio: bytes) -> int:
        """Add audio at the end; returns how many samples were dropped at the beginning."""
        self._audio += audio
        dropped = max(0, self.end - self.begin - self._most)
        self.drop_before(self.begin + dropped)
        return dropped

    def drop_before(self, place: int) -> None:
        """Drop the audio before a place."""
        if (count := min(place, self.end) - self.begin) > 0:
            del self._audio[: count * self._frame]
            self.begin += count

    def truncate(self, place: int) -> None:
        """Drop the audio from a place on."""
        del self._audio[max(0, place - self.begin) * self._frame :]
        self.begin = min(self.begin, place)

    def read(self, place: int, most: int, muted: tuple[int, ...]) -> bytes:
        """The audio from a place on, at most so many samples of each channel.

        Args:
            place: where to begin; not before `begin`.
            most: how much.
            muted: for each channel, the place before which zeros take the place of the audio.
        """
        first = (place - self.begin) * self._frame
        audio = bytes(self._audio[first : first + most * self._frame])
        if max(muted) <= place:
            return audio
        samples = array("h", audio)
        count = len(samples) // self._channels
        for channel, until in enumerate(muted):
            if (zeros := min(until - place, count)) > 0:
                end = zeros * self._channels
                samples[channel : end : self._channels] = array("h", bytes(zeros * SAMPLE_BYTES))
        return samples.tobytes()


def interleaved(channels: Sequence[bytes]) -> bytes:
    """The samples of channels that are equally long, one of each channel in turn."""
    if len(channels) == 1:
        return channels[0]
    samples = array("h", bytes(sum(map(len, channels))))
    for place, channel in enumerate(channels):
        samples[place :: len(channels)] = array("h", channel)
    return samples.tobytes()
