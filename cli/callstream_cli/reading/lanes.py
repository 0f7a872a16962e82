"""One track of a stream in a recording: its pieces, and the silence between them. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

SAMPLE_BYTES: Final = 2
"""Of linear samples."""
# Longer than any connection lasts: a timestamp further ahead is senseless.
_LONGEST_GAP_SECONDS: Final = 4 * 3600
# If the audio in front of a frame, without silence, is longer than its timestamp by more than this,
# then the frames were not late: the carrier's clock began anew.
_MOST_JITTER_SECONDS: Final = 1


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
    undecodable: int = 0
    """Frames that the codec cannot decode; silence stands for them."""
    are_answers: bool = False
    """Whether the frames are the pieces that were posted to the carrier."""


@dataclass(slots=True)
class Lane:
    """The pieces of a track, in order. All lengths are in samples."""

    width: int
    """Bytes per sample."""
    report: TrackReport
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


def lane_of(
    frames: Iterable[tuple[int, bytes]], rate: int, width: int, report: TrackReport
) -> Lane:
    """Place a track's frames, which are in order, by their timestamps, in milliseconds.

    A frame that is off by less than half its length is jitter: it stands right behind its
    predecessor. A frame that would overlap shows that its predecessors had come late: silence in
    front of them is taken back. No audio is overwritten.
    """
    lane = Lane(width, report)
    for timestamp, content in frames:
        size = len(content) // width
        if not size:
            continue
        at = max(round(timestamp * rate / 1000), 0)
        silence = at - lane.end
        if silence > _LONGEST_GAP_SECONDS * rate:
            report.misplaced += 1
            silence = 0
        elif silence <= -size / 2 and lane.audible - at < _MOST_JITTER_SECONDS * rate:
            lane.take_back(-silence)
        elif silence < size / 2 and report.frames:
            silence = 0
        lane.append(content[: size * width], max(silence, 0))
        report.frames += 1
    report.lost_ms = round(lane.lost() * 1000 / rate)
    return lane
