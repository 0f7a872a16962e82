"""Streams as one stereo recording: inbound on the left, outbound on the right. Pure.

The carrier's timestamps place every frame, so that lost frames become silence of the same length
and both tracks stay together. Frames that were only late take that silence back. Streams of one
call are placed by their start times. Where the carrier sends no outbound track, the answers that
were posted to the carrier stand on the right.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import CODECS, PCMU_8K, AudioFormat, ByteOrder
from callstream.dialects.events import Media, Track
from callstream_cli import audio, codecs
from callstream_cli.codecs import Samples, TrackDecoder
from callstream_cli.formats import can_decode, title
from callstream_cli.reading.answers import answers_lane
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.lanes import SAMPLE_BYTES, Lane, TrackReport, lane_of
from callstream_cli.reading.recording import Story

_COMPANDED: Final[Mapping[str, audio.Encoding]] = {"PCMU": "mulaw", "PCMA": "alaw"}
# Streams further apart belong to two calls, rather than to one.
_LONGEST_SECONDS: Final = 24 * 3600


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
        width = SAMPLE_BYTES if self.encoding == "pcm16" else 1
        return len(self.data) / (len(audio.TRACKS) * width) / self.rate

    def wav(self) -> bytes:
        """The recording as a WAV file. Raises `audio.TooLongError`."""
        return audio.wav(self.encoding, len(audio.TRACKS), self.rate, self.data)


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
        f"the start of stream {story.stream_id} never came, or is no longer kept: its codec "
        "is not known; --raw writes the bytes as they came"
    )


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
    encoding = _native_encoding(formats) if native else "pcm16"
    began_at = min(story.started_at for story in stories)
    placed: list[Placed] = []
    streams: list[_Stream] = []
    rate = max(format_.audio_rate for format_ in formats)
    # The carrier's outbound track has everything that the caller hears, answers too.
    outbound = {_call_of(story) for story in stories if story.frames().get("outbound")}
    for story, format_ in zip(stories, formats, strict=True):
        offset_ms = story.started_at - began_at
        if offset_ms > _LONGEST_SECONDS * 1000:
            raise ConsumerError(
                "its streams are more than a day apart; record them one by one, by stream id"
            )
        order: ByteOrder | None = None if native else byte_order
        lanes = _lanes(story, format_, order)
        if story.answers and _call_of(story) not in outbound:
            lanes["outbound"] = answers_lane(story, format_, order)
        stream = _Stream(format_.audio_rate, rate, round(offset_ms * rate / 1000), lanes)
        streams.append(stream)
        length_ms = round(stream.length * 1000 / rate)
        reports = {track: lane.report for track, lane in lanes.items()}
        placed.append(Placed(story, format_, offset_ms, length_ms, reports))
    mixed = _overlap(streams)
    if native and mixed:
        raise ConsumerError(
            "two of its streams have the same track at the same time, which can only be mixed as"
            " 16-bit samples; record them one by one, by stream id"
        )
    data = _rendered(streams, CODECS[formats[0].encoding].silence if native else None)
    return Stereo(encoding, rate, data, placed, mixed)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The lanes of a stream in a recording."""

    own_rate: int
    """The rate of the lanes."""
    rate: int
    """The rate of the recording, in which all lengths are."""
    offset: int
    lanes: Mapping[Track, Lane]

    def scaled(self, samples: int) -> int:
        """A length of the lanes as a length of the recording."""
        return round(samples * self.rate / self.own_rate)

    @property
    def length(self) -> int:
        """The length of the longest lane."""
        return max((self.scaled(lane.end) for lane in self.lanes.values()), default=0)


def _require_decodable(story: Story, format_: AudioFormat) -> None:
    if not can_decode(format_):
        channels = "" if format_.channels == 1 else f" with {format_.channels} channels a track"
        raise ConsumerError(
            f"stream {story.stream_id} is in {format_.encoding}{channels}, which cannot be decoded"
            " here; --raw writes the bytes as they came"
        )


def _native_encoding(formats: Sequence[AudioFormat]) -> audio.Encoding:
    found = sorted({title(format_) for format_ in formats})
    if len(found) > 1 or formats[0].encoding not in _COMPANDED or formats[0].channels != 1:
        raise ConsumerError(
            "--native is for streams all in PCMU or all in PCMA, at one rate, not"
            f" {', '.join(found)}"
        )
    return _COMPANDED[formats[0].encoding]


def _lanes(story: Story, format_: AudioFormat, byte_order: ByteOrder | None) -> dict[Track, Lane]:
    """The tracks of a stream, decoded; without a byte order for L16, as they came."""
    frames = [event for event in story.events if isinstance(event, Media)]
    # Timestamps count from the start. Without the start, the records begin somewhere later.
    base_ms = 0 if story.start else min((frame.timestamp for frame in frames), default=0)
    lanes: dict[Track, Lane] = {}
    for track in audio.TRACKS:
        report = TrackReport()
        of_track = [
            (each.timestamp - base_ms, each.audio) for each in frames if each.track == track
        ]
        if not of_track:
            continue
        if byte_order is None:
            lanes[track] = lane_of(of_track, format_.audio_rate, 1, report)
        else:
            decoded = _decoded(of_track, TrackDecoder(format_, byte_order), report)
            lanes[track] = lane_of(decoded, format_.audio_rate, SAMPLE_BYTES, report)
    return lanes


def _call_of(story: Story) -> str:
    return story.start.call_id if story.start else story.stream_id


def _decoded(
    frames: Iterable[tuple[int, bytes]], decoder: TrackDecoder, report: TrackReport
) -> Iterator[tuple[int, bytes]]:
    for timestamp, content in frames:
        try:
            samples = decoder.decode(content)
        except UnusableAudio:
            report.undecodable += 1
        else:
            yield timestamp, samples.tobytes()


def _overlap(streams: Sequence[_Stream]) -> bool:
    for track in audio.TRACKS:
        spans = sorted(
            (
                stream.offset + stream.scaled(next(lane.pieces()).at),
                stream.offset + stream.scaled(lane.end),
            )
            for stream in streams
            if (lane := stream.lanes.get(track)) and lane.audible
        )
        ends_at = 0
        for start, end in spans:
            if start < ends_at:
                return True
            ends_at = max(ends_at, end)
    return False


def _rendered(streams: Sequence[_Stream], silence: bytes | None) -> bytes:
    """Interleaved samples: linear; or, with a silence, bytes as they came, which do not overlap."""
    length = max((stream.offset + stream.length for stream in streams), default=0)
    kind, fill = (np.dtype(np.int16), 0) if silence is None else (np.dtype(np.uint8), silence[0])
    canvas = np.full((length, len(audio.TRACKS)), fill, kind)
    for stream in streams:
        for track, lane in stream.lanes.items():
            column = canvas[:, audio.TRACKS.index(track)]
            for at, content in _contents(stream, lane, kind):
                place = column[stream.offset + at : stream.offset + at + len(content)]
                place[:] = content if silence else _mixed(place, content[: len(place)])
    return canvas.tobytes()


def _contents(
    stream: _Stream, lane: Lane, kind: np.dtype[np.int16] | np.dtype[np.uint8]
) -> Iterator[tuple[int, Samples]]:
    """The audio of a lane at the recording's rate, with its places."""
    if stream.own_rate == stream.rate:
        for piece in lane.pieces():
            yield piece.at, np.frombuffer(piece.audio, kind)
        return
    whole = np.zeros(lane.end, np.int16)
    for piece in lane.pieces():
        samples = np.frombuffer(piece.audio, np.int16)
        whole[piece.at : piece.at + len(samples)] = samples
    yield 0, codecs.resampled(whole, stream.own_rate, stream.rate)


def _mixed(one: Samples, other: Samples) -> Samples:
    mixed: Samples = np.clip(one.astype(np.int32) + other, -32_768, 32_767).astype(np.int16)
    return mixed
