"""Streams as one stereo recording: inbound on the left, outbound on the right. Pure.

The carrier's timestamps place every frame, so that lost frames become silence of the same length
and both tracks stay together. Frames that were only late take that silence back. Streams of one
call are placed by their start times.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from callstream.audio.codecs import pcm
from callstream.audio.formats import CODECS, PCMU_8K, AudioFormat, ByteOrder
from callstream.dialects.events import Media, Track
from callstream_cli import audio
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.recording import Story

type _Samples = np.ndarray[tuple[int], np.dtype[np.int16]]

_SAMPLE_BYTES: Final = 2
_COMPANDED: Final[Mapping[str, audio.Encoding]] = {"PCMU": "mulaw", "PCMA": "alaw"}
# Longer than any connection lasts: a timestamp further ahead is senseless.
_LONGEST_GAP_SECONDS: Final = 4 * 3600
# If the audio in front of a frame, without silence, is longer than its timestamp by more than this,
# then the frames were not late: the carrier's clock began anew.
_MOST_JITTER_SECONDS: Final = 1
# Streams further apart belong to two calls, rather than to one.
_LONGEST_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio with its place in the recording, which is counted in samples."""

    at: int
    audio: bytes


@dataclass(slots=True)
class TrackReport:
    """The result for one track of one stream."""

    frames: int = 0
    lost_ms: int = 0
    """Silence between frames: lost frames, or frames that the carrier did not send."""
    misplaced: int = 0
    """Frames with a senseless timestamp; they stand behind their predecessors."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One stream in a recording."""

    story: Story
    format: AudioFormat
    offset_ms: int
    """Where the stream begins in the recording."""
    length_ms: int
    tracks: dict[Track, TrackReport]


@dataclass(frozen=True, slots=True)
class Stereo:
    """A finished recording. `data` are interleaved samples, `rate` is in Hz."""

    encoding: audio.Encoding
    rate: int
    data: bytes
    streams: Sequence[Placed]
    mixed: bool
    """Whether two streams had audio of the same track at the same time."""

    @property
    def seconds(self) -> float:
        """The length of the recording."""
        width = _SAMPLE_BYTES if self.encoding == "pcm16" else 1
        return len(self.data) / (len(audio.TRACKS) * width) / self.rate

    def wav(self) -> bytes:
        """The recording as a WAV file. Raises `audio.TooLongError`."""
        return audio.wav(self.encoding, len(audio.TRACKS), self.rate, self.data)


@dataclass(slots=True)
class _Lane:
    """The pieces of a track, in order. All lengths are in samples."""

    width: int
    """Bytes per sample."""
    report: TrackReport = field(default_factory=TrackReport)
    end: int = 0
    audible: int = 0
    """The length without silence."""
    _contents: list[bytes] = field(default_factory=list)
    _silences: list[int] = field(default_factory=list)
    """The silence in front of each piece."""
    _silent: list[int] = field(default_factory=list)
    """The indexes of the pieces that have silence in front of them."""

    def append(self, content: bytes, silence: int) -> None:
        """Add a piece behind so much silence."""
        if silence:
            self._silent.append(len(self._contents))
        self._contents.append(content)
        self._silences.append(silence)
        size = len(content) // self.width
        self.audible += size
        self.end += silence + size

    def take_back(self, silence: int) -> None:
        """Take so much silence back, as far as there is any; the latest first."""
        while silence and self._silent:
            latest = self._silent[-1]
            taken = min(silence, self._silences[latest])
            silence -= taken
            self.end -= taken
            self._silences[latest] -= taken
            if not self._silences[latest]:
                self._silent.pop()

    def lost(self) -> int:
        """The silence between pieces."""
        return sum(self._silences[1:])

    def pieces(self) -> Iterator[Piece]:
        """The pieces with their places."""
        at = 0
        for silence, content in zip(self._silences, self._contents, strict=True):
            at += silence
            yield Piece(at, content)
            at += len(content) // self.width


def format_of(story: Story) -> AudioFormat:
    """The audio format of a stream, whose `start` may not be kept any more.

    Raises:
        ConsumerError: the format is not known.
    """
    if story.start is not None:
        return story.start.format
    if story.dialect == "twilio":
        return PCMU_8K  # Twilio has no other
    raise ConsumerError(
        f"the start of stream {story.stream_id} is no longer kept, so its codec is not known;"
        " --raw writes the bytes as they came"
    )


def lane(frames: Iterable[Media], rate: int, width: int, base_ms: int = 0) -> _Lane:
    """Place a track's frames, which are in order, by their timestamps less `base_ms`.

    A frame that is off by less than half its length is jitter: it stands right behind its
    predecessor. A frame that would overlap shows that its predecessors had come late: silence in
    front of them is taken back. No audio is overwritten.
    """
    lane = _Lane(width=width)
    for frame in frames:
        size = len(frame.audio) // width
        if not size:
            continue
        at = max(round((frame.timestamp - base_ms) * rate / 1000), 0)
        silence = at - lane.end
        if silence > _LONGEST_GAP_SECONDS * rate:
            lane.report.misplaced += 1
            silence = 0
        elif silence <= -size / 2 and lane.audible - at < _MOST_JITTER_SECONDS * rate:
            lane.take_back(-silence)
        elif silence < size / 2 and lane.report.frames:
            silence = 0
        lane.append(frame.audio[: size * width], max(silence, 0))
        lane.report.frames += 1
    lane.report.lost_ms = round(lane.lost() * 1000 / rate)
    return lane


def combine(
    stories: Sequence[Story], *, native: bool = False, byte_order: ByteOrder = "big"
) -> Stereo:
    """Put streams together.

    Args:
        stories: the streams.
        native: keep every byte, in the stream's own mu-law or A-law, instead of 16-bit samples.
        byte_order: the byte order of L16.

    Raises:
        ConsumerError: the streams do not fit into one file, or their codec cannot be decoded here.
    """
    formats = [format_of(story) for story in stories]
    for story, format_ in zip(stories, formats, strict=True):
        _require_decodable(story, format_)
    encoding, fill, rate = _common(formats, native=native)
    began_at = min(story.started_at for story in stories)
    placed: list[Placed] = []
    lanes: list[tuple[int, Mapping[Track, _Lane]]] = []
    for story, format_ in zip(stories, formats, strict=True):
        offset_ms = story.started_at - began_at
        if offset_ms > _LONGEST_SECONDS * 1000:
            raise ConsumerError(
                "its streams are more than a day apart; record them one by one, by stream id"
            )
        of_stream = _lanes(story, format_)
        lanes.append((round(offset_ms * rate / 1000), of_stream))
        length = max((lane.end for lane in of_stream.values()), default=0)
        reports = {track: lane.report for track, lane in of_stream.items()}
        placed.append(Placed(story, format_, offset_ms, round(length * 1000 / rate), reports))
    if native and _overlap(lanes):
        raise ConsumerError(
            "two of its streams have the same track at the same time, which can only be mixed as"
            " 16-bit samples; record them one by one, by stream id"
        )
    data = _render(lanes, formats, encoding, fill, byte_order)
    return Stereo(encoding, rate, data, placed, mixed=_overlap(lanes))


def _require_decodable(story: Story, format_: AudioFormat) -> None:
    if not format_.sample_bytes:
        raise ConsumerError(
            f"stream {story.stream_id} is in {format_.encoding}, which cannot be decoded here;"
            " --raw writes the bytes as they came"
        )
    if format_.channels != 1:
        raise ConsumerError(
            f"stream {story.stream_id} has {format_.channels} channels in each track;"
            " --raw writes the bytes as they came"
        )


def _common(formats: Sequence[AudioFormat], *, native: bool) -> tuple[audio.Encoding, bytes, int]:
    rates = {format_.sample_rate for format_ in formats}
    if len(rates) > 1:
        raise ConsumerError(
            f"its streams have different rates ({', '.join(map(str, sorted(rates)))} Hz);"
            " record them one by one, by stream id"
        )
    codecs = {format_.encoding for format_ in formats}
    if not native:
        return "pcm16", b"\0", rates.pop()
    if len(codecs) > 1 or not codecs <= _COMPANDED.keys():
        found = ", ".join(sorted(codecs))
        raise ConsumerError(f"--native is for streams all in PCMU or all in PCMA, not {found}")
    (codec,) = codecs
    return _COMPANDED[codec], CODECS[codec].silence, rates.pop()


def _lanes(story: Story, format_: AudioFormat) -> dict[Track, _Lane]:
    frames = [event for event in story.events if isinstance(event, Media)]
    # Timestamps count from the start. Without the start, the records begin somewhere later.
    base_ms = 0 if story.start else min((frame.timestamp for frame in frames), default=0)
    return {
        track: lane(of_track, format_.sample_rate, format_.sample_bytes, base_ms)
        for track in audio.TRACKS
        if (of_track := [frame for frame in frames if frame.track == track])
    }


def _overlap(lanes: Sequence[tuple[int, Mapping[Track, _Lane]]]) -> bool:
    for track in audio.TRACKS:
        spans = sorted(
            (offset + next(of_stream[track].pieces()).at, offset + of_stream[track].end)
            for offset, of_stream in lanes
            if track in of_stream and of_stream[track].audible
        )
        ends_at = 0
        for start, end in spans:
            if start < ends_at:
                return True
            ends_at = max(ends_at, end)
    return False


def _render(
    lanes: Sequence[tuple[int, Mapping[Track, _Lane]]],
    formats: Sequence[AudioFormat],
    encoding: audio.Encoding,
    fill: bytes,
    byte_order: ByteOrder,
) -> bytes:
    length = max(
        (offset + lane.end for offset, of_stream in lanes for lane in of_stream.values()),
        default=0,
    )
    if encoding != "pcm16":
        bytes_ = np.full((length, len(audio.TRACKS)), fill[0], np.uint8)
        for column, offset, piece, _ in _pieces(lanes, formats):
            begin = offset + piece.at
            bytes_[begin : begin + len(piece.audio), column] = np.frombuffer(piece.audio, np.uint8)
        return bytes_.tobytes()
    canvas = np.zeros((length, len(audio.TRACKS)), "<i2")
    for column, offset, piece, format_ in _pieces(lanes, formats):
        linear = samples(piece.audio, format_.encoding, byte_order)
        place = canvas[offset + piece.at : offset + piece.at + len(linear), column]
        place[:] = np.clip(place.astype(np.int32) + linear, -32_768, 32_767)
    return canvas.tobytes()


def _pieces(
    lanes: Sequence[tuple[int, Mapping[Track, _Lane]]], formats: Sequence[AudioFormat]
) -> Iterable[tuple[int, int, Piece, AudioFormat]]:
    for (offset, of_stream), format_ in zip(lanes, formats, strict=True):
        for track, lane in of_stream.items():
            for piece in lane.pieces():
                yield audio.TRACKS.index(track), offset, piece, format_


def samples(encoded: bytes, codec: str, byte_order: ByteOrder) -> _Samples:
    """Audio of PCMU, PCMA or L16 as linear samples."""
    return np.frombuffer(pcm.decode(encoded, codec, byte_order), np.int16)
