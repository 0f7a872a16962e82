"""Remembers in bounded space which sequence numbers have come and which were passed over."""

import math
from bisect import bisect_right
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

MOST_GAPS: Final = 1024


class ReorderCounts(Struct):
    """The counts of a buffer, in messages unless a field says otherwise.

    Every message is in the end `released`, `repeats`, `late` or `strays`.
    """

    released: int = 0
    repeats: int = 0
    """Those whose number had been seen before; dropped."""
    gaps: int = 0
    """Runs of sequence numbers that were passed over."""
    skipped: int = 0
    """Sequence numbers that were passed over. Unless the numbering began anew, `skipped - late` of
    them were never seen at all."""
    late: int = 0
    """Those that came after their number had been passed over; dropped."""
    strays: int = 0
    """Those with a number that is neither behind nor ahead in any numbering; dropped."""
    restarts: int = 0
    """How often the numbering began anew."""


class Numbering(Struct):
    """A run of numbers that the carrier counts up; the names are RFC 3550's (appendix A.1)."""

    base_seq: int | None = None
    """The number that the run begins with; None until that is known."""
    next_seq: int | None = None
    """The number that is released next."""
    newest: float = -math.inf
    """When the newest message of the run was received."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Passed-over numbers as ascending ranges, without their ends: a huge gap takes no space."""

    def copy(self, most_gaps: int) -> "Numbering":
        """A copy that knows only so many of the latest gaps."""
        return replace(self, gaps=self.gaps[-most_gaps:])

    def is_behind(self, sequence: int) -> bool:
        """Whether this number has come or was passed over."""
        return (
            self.base_seq is not None
            and self.next_seq is not None
            and self.base_seq <= sequence < self.next_seq
        )

    def gap_of(self, sequence: int) -> int | None:
        """Where in `gaps` this number is."""
        place = bisect_right(self.gaps, sequence, key=lambda gap: gap[0]) - 1
        return place if place >= 0 and sequence < self.gaps[place][1] else None

    def replace_gaps(self, start: int, stop: int, *gaps: tuple[int, int]) -> None:
        """Put these ranges, if they are not empty, in the place of others."""
        self.gaps[start:stop] = [gap for gap in gaps if gap[0] < gap[1]]
        del self.gaps[:-MOST_GAPS]


class History(Struct):
    """The numbering that a stream is in, the numbering before that, and the counts."""

    numbering: Numbering = field(default_factory=Numbering)
    former: Numbering = field(default_factory=Numbering)
    counts: ReorderCounts = field(default_factory=ReorderCounts)

    def copy(self, most_gaps: int = MOST_GAPS) -> "History":
        """A copy that knows only so many of the latest gaps of each numbering."""
        return History(
            self.numbering.copy(most_gaps), self.former.copy(most_gaps), replace(self.counts)
        )

    @property
    def has_begun(self) -> bool:
        """Whether the beginning of the stream is known."""
        return self.numbering.base_seq is not None

    def begin(self, base_seq: int) -> None:
        """Begin a numbering, the first one or anew."""
        if self.has_begun:
            self.counts.restarts += 1
            self.former = self.numbering
        self.numbering = Numbering(base_seq, base_seq)

    def skip_to(self, sequence: int) -> bool:
        """Pass over the numbers before this one. Returns whether there are any."""
        numbering = self.numbering
        if numbering.next_seq is None or sequence <= numbering.next_seq:
            return False
        self.counts.gaps += 1
        self.counts.skipped += sequence - numbering.next_seq
        end = len(numbering.gaps)
        numbering.replace_gaps(end, end, (numbering.next_seq, sequence))
        numbering.next_seq = sequence
        return True

    def has_passed(self, sequence: int, received_at: float) -> bool:
        """Whether a message with this number, received then, has come and gone."""
        numbering = self._numbering_of(received_at)
        return numbering.is_behind(sequence) and numbering.gap_of(sequence) is None

    def drop(self, sequence: int, received_at: float) -> None:
        """Count a message that is not going to be released."""
        numbering = self._numbering_of(received_at)
        if not numbering.is_behind(sequence):
            self.counts.strays += 1
        elif (place := numbering.gap_of(sequence)) is None:
            self.counts.repeats += 1
        else:
            self.counts.late += 1
            start, stop = numbering.gaps[place]
            numbering.replace_gaps(place, place + 1, (start, sequence), (sequence + 1, stop))

    def _numbering_of(self, received_at: float) -> Numbering:
        return self.numbering if received_at > self.former.newest else self.former
