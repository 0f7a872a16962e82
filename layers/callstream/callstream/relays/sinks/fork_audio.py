"""The audio of a fork: each track of the call, in the format that the consumer gets. Pure.

Each track has a converter of its own, whose state goes on from frame to frame. A converter may have
no payload for a frame, or several: codecs whose audio comes in packets wait until a packet is full.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from callstream.audio.conversion import Converter, UnusableAudio, can_convert, converter
from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder
from callstream.audio.packets import seconds
from callstream.dialects.events import Track

_logger = logging.getLogger(__name__)

_MOST_REPORTED: Final = 20
_MOST_HELD_MS: Final = 20.0
"""A converter holds less than a packet."""


class Payload(Struct, frozen=True, gc=False):
    """A payload for the consumer, and when it begins: in milliseconds of the fork's time."""

    at_ms: float
    audio: bytes


class ForkAudio:
    """The audio of one fork.

    Args:
        format_: the format that the consumer gets.
        formats: the formats of the call's streams, by stream id; an unknown stream has the first
            one, or `format_` if there is none.
        l16_byte_order: the byte order of L16, of the call and of the fork.
    """

    def __init__(
        self,
        format_: AudioFormat,
        formats: Mapping[str, AudioFormat] = MappingProxyType({}),
        l16_byte_order: ByteOrder = "big",
    ) -> None:
        self.format = format_
        self._l16_byte_order: ByteOrder = l16_byte_order
        self._formats = dict(formats)
        self._usual = next(iter(formats.values()), format_)
        self._tracks: dict[Track, _TrackAudio] = {}
        self._reported: set[str] = set()

    @property
    def can_fill(self) -> bool:
        """Whether silence can be put between the frames."""
        return bool(self.format.byte_rate) or can_convert(PCMU_8K, self.format)

    def add_stream(self, stream_id: str, format_: AudioFormat) -> None:
        """Take the format of a stream that begins."""
        self._formats[stream_id] = format_

    def prepare(self, stream_id: str, tracks: Iterable[Track], *, fills: bool = False) -> None:
        """Import the codecs for these tracks of a stream.

        Args:
            stream_id: the stream.
            tracks: its tracks.
            fills: whether `silence` will be asked for.
        """
        source = self._formats.get(stream_id, self._usual)
        for track in tracks:
            if source != self.format:
                with suppress(UnusableAudio):
                    self._track(stream_id, track, source)
            if fills:
                self.silence(track, 0, 0)

    def take(self, stream_id: str, track: Track, audio: bytes, at_ms: float) -> list[Payload]:
        """Convert a frame that begins at `at_ms`."""
        source = self._formats.get(stream_id, self._usual)
        if source is self.format or source == self.format:
            return [Payload(at_ms, audio)]
        try:
            return self._track(stream_id, track, source).take(stream_id, audio, at_ms)
        except UnusableAudio as unusable:
            self._report(str(unusable))
            return []

    def silence(self, track: Track, length_ms: float, at_ms: float) -> list[Payload]:
        """Silence for a track, between the audio before and after it."""
        known = self._tracks.get(track)
        if known is None:
            unchanged = converter(self.format, self.format, self._l16_byte_order)
            known = self._tracks[track] = _TrackAudio(self.format, self.format, unchanged, "")
        return known.silence(length_ms, at_ms)

    def length_ms(self, stream_id: str, audio: bytes) -> float:
        """How long a frame is; 0 if that is unknown."""
        return seconds(audio, self._formats.get(stream_id, self._usual)) * 1000

    def flush(self, *, is_final: bool) -> list[tuple[Track, Payload]]:
        """The audio that waits for more to fill a payload.

        Args:
            is_final: whether the fork ends. Then encoders that look ahead end as well.
        """
        return [
            (track, payload)
            for track, audio in self._tracks.items()
            if is_final or audio.holds
            for payload in audio.flush()
        ]

    def _track(self, stream_id: str, track: Track, source: AudioFormat) -> "_TrackAudio":
        known = self._tracks.get(track)
        if known is None or known.source != source:
            made = converter(source, self.format, self._l16_byte_order)
            known = self._tracks[track] = _TrackAudio(source, self.format, made, stream_id)
        return known

    def _report(self, problem: str) -> None:
        """Log a problem once: more frames of a stream may have it."""
        if problem not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(problem)
            _logger.warning("audio is not sent: %s", problem)


class _TrackAudio:
    """One track: its converter, and how much audio the converter holds."""

    def __init__(
        self, source: AudioFormat, target: AudioFormat, converter: Converter, stream_id: str
    ) -> None:
        self.source = source
        self._target = target
        self._converter = converter
        self._stream_id = stream_id
        self._held_ms = self._end_ms = 0.0

    def take(self, stream_id: str, audio: bytes, at_ms: float) -> list[Payload]:
        if stream_id != self._stream_id:
            self._converter.restart()
            self._stream_id = stream_id
        length_ms = seconds(audio, self.source) * 1000
        return self._timed(self._converter.convert(audio), at_ms, length_ms)

    def silence(self, length_ms: float, at_ms: float) -> list[Payload]:
        return self._timed(self._converter.silence(length_ms / 1000), at_ms, length_ms)

    @property
    def holds(self) -> bool:
        """Whether audio waits for more to fill a payload."""
        return self._held_ms > 0

    def flush(self) -> list[Payload]:
        return self._timed(self._converter.flush(), self._end_ms, 0.0)

    def _timed(self, payloads: Sequence[bytes], at_ms: float, length_ms: float) -> list[Payload]:
        """The payloads with their times, of audio from `at_ms` on.

        The first payload begins with the audio that was held.
        """
        held_ms, timed = self._held_ms, []
        for payload in payloads:
            timed.append(Payload(at_ms - held_ms, payload))
            held_ms -= seconds(payload, self._target) * 1000
        held_ms += length_ms
        # More than a packet is not held: that audio could not be decoded.
        self._held_ms = held_ms if 0 <= held_ms < _MOST_HELD_MS else 0.0
        self._end_ms = at_ms + length_ms
        return timed
