"""What the listener counts of one fork."""

from dataclasses import dataclass, field

from callstream.dialects.events import (
    Clear,
    Media,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Track,
)


@dataclass(slots=True)
class Sent:
    """Counts of the messages that the listener sent on one fork."""

    frames: int = 0
    audio_bytes: int = 0
    marks: int = 0
    clears: int = 0
    digits: int = 0
    others: int = 0
    """Messages that were sent as they are."""
    unsent: list[str] = field(default_factory=list)
    """Why messages could not be sent on this fork: its dialect or codec has no form for them."""

    def add(self, event: ReturnEvent | None) -> None:
        """Count one message; None stands for a message that was sent as it is."""
        match event:
            case ReturnMedia(audio=audio):
                self.frames += 1
                self.audio_bytes += len(audio)
            case ReturnMark():
                self.marks += 1
            case Clear():
                self.clears += 1
            case ReturnDtmf():
                self.digits += 1
            case None:
                self.others += 1


@dataclass(slots=True)
class _Sequence:
    """Gaps and repeats in one sequence of chunk numbers."""

    last: int = 0
    missing: int = 0
    out_of_turn: int = 0

    def take(self, chunk: int) -> None:
        if chunk > self.last:
            self.missing += chunk - self.last - 1
            self.last = chunk
        else:
            self.out_of_turn += 1


@dataclass(slots=True)
class ChunkCounts:
    """Faults in the chunk numbers. Not every vendor documents whether each track has its own."""

    together: _Sequence = field(default_factory=_Sequence)
    apart: dict[Track, _Sequence] = field(default_factory=dict)

    def take(self, media: Media) -> None:
        """Count one frame."""
        self.together.take(media.chunk)
        self.apart.setdefault(media.track, _Sequence()).take(media.chunk)

    def faults(self) -> tuple[int, int]:
        """How many are missing and out of turn, counted in the way that finds fewer faults."""
        apart = (
            sum(run.missing for run in self.apart.values()),
            sum(run.out_of_turn for run in self.apart.values()),
        )
        return min(apart, (self.together.missing, self.together.out_of_turn), key=sum)
