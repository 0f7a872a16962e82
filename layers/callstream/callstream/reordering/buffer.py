"""The reorder buffer: puts a stream's messages back into the carrier's order.

Neither carriers, API Gateway nor Kinesis promise order, and Kinesis may repeat records. A message
that is out of turn waits until the ones before it have come, but no longer than the window allows.
A message whose number makes no sense where the stream stands goes astray: it is kept aside until
the ones that follow tell whether the carrier's counter has restarted.

`callstream.frames.stream_order` knows a stream's events and is what consumers read through.
"""

import math
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import replace

from callstream.reordering.history import Gaps, Recent
from callstream.reordering.resync import (
    MOST_ASTRAY,
    SIGNS_OF_A_RESTART,
    Astray,
    Held,
    Sign,
    together,
)

_SNAPSHOT_GAPS: Final = 64
_SHORTEST_PATIENCE: Final = 1.0


class Window(Struct, frozen=True):
    """How much may wait, and for how long.

    A message that is overtaken by at most `messages` others within `seconds` is still put in order.
    With `messages=0` nothing ever waits. A number that is `reach` or more ahead of the stream is
    not believed.

    Raises:
        ValueError: it is negative, or reaches nowhere.
    """

    messages: int = 100
    seconds: float = 1.0
    reach: int = 1000

    def __post_init__(self) -> None:
        if self.messages < 0 or self.seconds < 0:
            raise ValueError("a window cannot be negative")
        if self.reach < 1:
            raise ValueError("a window must reach the next message")

    @property
    def patience(self) -> float:
        """How many seconds without a message that makes sense make a restart credible."""
        return max(self.seconds, _SHORTEST_PATIENCE)


class ReorderCounts(Struct):
    """What a buffer has seen, in messages unless it says otherwise.

    Every message is in the end `released`, `repeats`, `late` or `strays`.
    """

    released: int = 0
    repeats: int = 0
    """Those whose number had been seen before; dropped."""
    gaps: int = 0
    """Runs of sequence numbers that were passed over."""
    skipped: int = 0
    """Sequence numbers that were passed over. Unless the counter restarted, `skipped - late` of
    them were never seen at all."""
    late: int = 0
    """Those that came after their number had been passed over; dropped."""
    strays: int = 0
    """Those with a number that is neither behind nor ahead in any numbering; dropped."""
    restarts: int = 0
    """How often the numbering began anew."""


class Snapshot[T](Struct):
    """A buffer's state, for MessagePack if the items are. Times are the clock's of the consumer.

    It holds what waits, what is astray, and at most 64 gaps. Released items are not in it: only by
    when it was sent is a repeat of one recognised at once, or else when it expires.
    """

    next: int | None
    base: int | None
    heard_at: float
    plausible_at: float | None
    suspects: int
    newest: float
    waiting: list[Held[T]]
    astray: list[Held[T]]
    gaps: list[tuple[int, int]]
    counts: ReorderCounts


class ReorderBuffer[T]:
    """Restores the order of one stream.

    It has no clock: `now` is any clock's time in seconds, as long as it is always the same clock's
    and never goes back. A consumer calls `push` for every message, `expire` when the `deadline` has
    come, and `flush` at the end.

    Losses delay nothing by more than the window; messages that come late enough to be worth
    waiting for delay those behind them by at most as much again. A restart costs `Window.patience`.

    Whatever comes, it holds at most `Window.messages` that wait, and 128 that are astray, these
    for at most twice the patience; and it remembers 1024 gaps, and the items of the last 1024
    numbers, and of as many before a restart.

    Args:
        window: how much may wait, and for how long.
        first: the sequence number that the stream begins with. None if the consumer joins in the
            middle: then the lowest number within the first window is taken to be the beginning.
        sent_at: when an item was sent, in seconds of a clock that all of the stream have in common.
            A number that makes no sense is a new numbering's only if it was sent after all that was
            released: what comes again, or late, was not. None if nobody knows; then who keeps
            repeating what is not remembered passes for a restart.
    """

    def __init__(
        self,
        window: Window,
        *,
        first: int | None = None,
        sent_at: Callable[[T], float] | None = None,
    ) -> None:
        self.counts = ReorderCounts()
        self._window = window
        self._next = self._base = first
        self._waiting: dict[int, Held[T]] = {}
        # Their numbers, the lowest first. Messages leave in that order, so none is ever stale.
        self._order: list[int] = []
        # When the latest of the messages before `_next` came. What waits counts its time from then:
        # as long as lower numbers come, it is the one that is early. Taking their arrival instead
        # of their release keeps one loss from adding its wait to the next one's.
        self._heard_at = -math.inf
        self._astray = Astray[T](window.reach)
        # `_next`, and whether a restart was in doubt, when what is astray was last looked through.
        self._looked_from: tuple[int | None, bool] | None = None
        # How many have gone astray since a message last made sense, and when that was.
        self._suspects = 0
        self._plausible_at: float | None = None
        self._sent_at = sent_at
        # When the newest of the released was sent.
        self._newest = -math.inf
        self._gaps = Gaps()
        # A repeat equals what was released, a restarted counter's message does not. What was
        # released before a restart may be repeated too.
        self._recent = Recent[T]()
        self._former = Recent[T]()

    @classmethod
    def resume(
        cls,
        window: Window,
        snapshot: Snapshot[T],
        *,
        sent_at: Callable[[T], float] | None = None,
    ) -> Self:
        """Go on where a predecessor stopped. The snapshot may be used again."""
        buffer = cls(window, sent_at=sent_at)
        buffer.counts = replace(snapshot.counts)
        buffer._next, buffer._base = snapshot.next, snapshot.base
        buffer._heard_at, buffer._plausible_at = snapshot.heard_at, snapshot.plausible_at
        buffer._suspects, buffer._newest = snapshot.suspects, snapshot.newest
        buffer._waiting = {held.sequence: replace(held) for held in snapshot.waiting}
        buffer._order = sorted(buffer._waiting)
        buffer._astray = Astray(window.reach, map(replace, snapshot.astray))
        buffer._gaps = Gaps(snapshot.gaps)
        return buffer

    def snapshot(self) -> Snapshot[T]:
        """The state, for `resume`."""
        return Snapshot(
            next=self._next,
            base=self._base,
            heard_at=self._heard_at,
            plausible_at=self._plausible_at,
            suspects=self._suspects,
            newest=self._newest,
            waiting=[replace(held) for held in self._waiting.values()],
            astray=[replace(held) for held in self._astray],
            gaps=self._gaps.last(_SNAPSHOT_GAPS),
            counts=replace(self.counts),
        )

    def __len__(self) -> int:
        """How many wait for their turn, without those astray."""
        return len(self._waiting)

    @property
    def astray(self) -> int:
        """How many are astray."""
        return len(self._astray)

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to do next; None if nothing waits and nothing is astray."""
        if not self._waiting and not self._astray:
            return None
        times = (self._gives_up_at(), self._restarts_at(), self._forgets_at())
        return min((time for time in times if time is not None), default=None)

    @property
    def has_begun(self) -> bool:
        """Whether the beginning of the stream is known."""
        return self._next is not None

    def expects(self, sequence: int) -> bool:
        """Whether a message with this number would be released, now or when its turn comes.

        False before the beginning of a stream that a consumer joins is known.
        """
        return self._next is not None and self._sign_of(sequence) is None

    def has_passed(self, sequence: int) -> bool:
        """Whether the message with this number has come and gone: it is behind, and in no gap."""
        return (
            self._base is not None
            and self._next is not None
            and self._base <= sequence < self._next
            and sequence not in self._gaps
        )

    def knows(self, sequence: int, item: T) -> bool:
        """Whether an equal item with this number has come, as far as that is remembered."""
        return (
            self._recent.knows(sequence, item)
            or self._former.knows(sequence, item)
            or (sequence in self._waiting and self._waiting[sequence].item == item)
            or self._astray.knows(sequence, item)
        )

    def push(self, sequence: int, item: T, now: float) -> list[T]:
        """Take a message, and return those whose turn it is now."""
        if (
            sequence == self._next
            and not self._waiting
            and not self._astray
            and not self._former.knows(sequence, item)
        ):
            # What nearly every message is; the rest of this class would do the same, slower.
            self._plausible_at, self._suspects = now, 0
            return [self._released(Held(sequence, now, item))]
        if self.knows(sequence, item):
            self.counts.repeats += 1
        else:
            self._take(Held(sequence, now, item, self._sign_of(sequence)))
        return self._settle(now)

    def expire(self, now: float) -> list[T]:
        """Return what has waited for the whole window, and forget what was astray for too long.

        Who takes several messages at once pushes them first: they may tell of a restart.
        """
        return self._settle(now)

    def flush(self) -> list[T]:
        """Return everything that still waits; nothing before it is expected any more.

        What is astray is released too if it certainly is a new numbering, else counted.
        """
        released = self._drain()
        if self._suspects >= SIGNS_OF_A_RESTART and _proven(self._emerging()):
            self._restart()
            released += self._drain()
        self._forget_all()
        return released

    def discard(self) -> list[T]:
        """Drop everything: what is astray is counted, what waits is returned, in any order."""
        dropped = [held.item for held in self._waiting.values()]
        self._waiting, self._order = {}, []
        self._forget_all()
        return dropped

    # Signs -------------------------------------------------------------------------------------

    def _sign_of(self, sequence: int) -> Sign | None:
        sign: Sign | None = None
        if sequence in self._waiting or sequence in self._recent:
            sign = Sign.CONFLICT
        elif self._next is None:
            sign = None
        elif sequence < self._next:
            sign = Sign.BEHIND
        elif sequence >= self._next + self._window.reach:
            sign = Sign.AHEAD
        # A counter that restarts soon after its beginning comes to the old number before patience
        # ends, and that message would seem to be in turn.
        elif self._in_doubt() and self._astray.comes_before(sequence):
            sign = Sign.FOLLOWS
        return sign

    def _in_doubt(self) -> bool:
        return self._suspects >= SIGNS_OF_A_RESTART and self._astray.conflicts > 0

    def _is_news(self, held: Held[T]) -> bool:
        """Whether it may have been sent after all that was released, as a new numbering is."""
        return self._sent_at is None or self._sent_at(held.item) > self._newest

    def _emerging(self) -> list[Held[T]]:
        """The messages that may be a new numbering; empty if they are too few."""
        group = self._astray.emerging
        if group and self._sent_at is not None:
            # Since they went astray, the stream may have gone on all the same.
            group = [held for held in group if self._is_news(held)]
        return group if len(group) >= SIGNS_OF_A_RESTART else []

    def _restarts_at(self) -> float | None:
        """When silence in the old numbering makes a restart credible; None if nothing tells of one.

        Numbers behind alone may as well be a batch of old repeats, followed by a pause. Those do
        not go on coming, though, which a restarted stream does.
        """
        group = self._emerging()
        if not group or self._plausible_at is None:
            return None
        time = self._plausible_at + self._window.patience
        if _proven(group) or self._goes_on(group, time):
            return time
        return None

    def _goes_on(self, group: list[Held[T]], time: float) -> bool:
        if max(held.arrived_at for held in group) >= time:
            return True
        if self._sent_at is None:
            return False
        # Who catches up reads minutes in no time. Not `patience`, during which more may come than
        # may be astray.
        newest = max(self._sent_at(held.item) for held in group)
        return newest >= self._newest + _SHORTEST_PATIENCE

    def _has_restarted(self, now: float) -> bool:
        if self._suspects > MOST_ASTRAY:  # who catches up, as above
            return self._restarts_at() is not None
        if self._plausible_at is None or now < self._plausible_at + self._window.patience:
            return False
        return _passed(self._restarts_at(), now)

    # Moving on ---------------------------------------------------------------------------------

    def _take(self, held: Held[T]) -> None:
        if held.sign is None:
            self._plausible_at, self._suspects = held.arrived_at, 0
            self._wait(held)
            return
        if not self._is_news(held):
            self._count(held)
            return
        if self._plausible_at is None:
            self._plausible_at = held.arrived_at
        self._suspects += 1
        self._put_aside(held)

    def _put_aside(self, held: Held[T]) -> None:
        # Two of one number, and neither makes sense: the newer numbering is the one that goes on.
        if (older := self._astray.pop(held.sequence)) is not None:
            self._count(older)
        self._astray.put(held)

    def _wait(self, held: Held[T]) -> None:
        self._waiting[held.sequence] = held
        heappush(self._order, held.sequence)

    def _gives_up_at(self) -> float | None:
        """When the lowest that waits no longer waits for the ones before it."""
        if not self._waiting:
            return None
        # Before the beginning is known, the window is the first message's.
        lowest = next(iter(self._waiting)) if self._next is None else self._order[0]
        return max(self._waiting[lowest].arrived_at, self._heard_at) + self._window.seconds

    def _settle(self, now: float) -> list[T]:
        released = self._in_turn()
        while True:
            if len(self._waiting) > self._window.messages or _passed(self._gives_up_at(), now):
                self._skip()
            elif self._has_restarted(now):
                released += self._drain()
                # Beyond what waited may be where they belong.
                if self._emerging():
                    self._restart()
                    self._plausible_at = now
            else:
                break
            released += self._in_turn()
        while (oldest := self._astray.oldest) is not None and (
            _passed(self._forgets_at(), now) or len(self._astray) > MOST_ASTRAY
        ):
            self._astray.pop(oldest.sequence)
            self._count(oldest)
        return released

    def _in_turn(self) -> list[T]:
        released: list[T] = []
        while True:
            while self._order and self._order[0] == self._next:
                released.append(self._released(self._waiting.pop(heappop(self._order))))
            if not self._astray or not self._readmit():
                return released

    def _released(self, held: Held[T]) -> T:
        self._recent.keep(held.sequence, held.item)
        self._next = held.sequence + 1
        self._heard_at = max(self._heard_at, held.arrived_at)
        if self._sent_at is not None:
            self._newest = max(self._newest, self._sent_at(held.item))
        self.counts.released += 1
        return held.item

    def _readmit(self) -> bool:
        """Let those wait that make sense now that the stream has moved on; whether there are any.

        After a long loss the stream goes on near the end of the reach, and then beyond it.
        """
        in_doubt = self._in_doubt()
        if self._looked_from == (self._next, in_doubt):
            return False
        self._looked_from = (self._next, in_doubt)
        believed = {Sign.AHEAD} if in_doubt else {Sign.AHEAD, Sign.FOLLOWS}
        found = [
            held
            for held in self._astray
            if held.sign in believed
            and self._in_reach(held.sequence)
            and held.sequence not in self._waiting
        ]
        for held in found:
            self._astray.pop(held.sequence)
            held.sign = None
            self._wait(held)
        return bool(found)

    def _in_reach(self, sequence: int) -> bool:
        return self._next is not None and self._next <= sequence < self._next + self._window.reach

    def _drain(self) -> list[T]:
        released: list[T] = []
        while self._waiting:
            self._skip()
            released += self._in_turn()
        return released

    def _skip(self) -> None:
        """Go on at the lowest number that waits."""
        if self._next is None:
            self._begin()
        elif (lowest := self._order[0]) > self._next:
            self.counts.gaps += 1
            self.counts.skipped += lowest - self._next
            self._gaps.add(self._next, lowest)
            self._next = lowest

    def _restart(self) -> None:
        self.counts.restarts += 1
        self._former.add(self._recent)
        self._recent = Recent[T]()
        self._gaps = Gaps()
        self._waiting = {held.sequence: held for held in self._astray}
        self._astray = Astray(self._window.reach)
        self._heard_at = -math.inf
        self._begin()

    def _begin(self) -> None:
        """Begin at the lowest of those that wait and belong together; the others go astray."""
        everything = list(self._waiting.values())
        group = together(everything, self._window.reach)
        self._next = self._base = group[0].sequence
        self._waiting = {held.sequence: held for held in group}
        self._order = list(self._waiting)  # ascending, and therefore a heap
        self._suspects = 0
        others = [held for held in everything if held.sequence not in self._waiting]
        for held in everything:
            held.sign = None
        for held in others:
            held.sign = Sign.BEHIND if held.sequence < self._next else Sign.AHEAD
        others += self._astray
        self._astray = Astray(self._window.reach)
        for held in sorted(others, key=lambda held: held.arrived_at):
            self._put_aside(held)

    # Counting ----------------------------------------------------------------------------------

    def _forgets_at(self) -> float | None:
        oldest = self._astray.oldest
        return None if oldest is None else oldest.arrived_at + 2 * self._window.patience

    def _forget_all(self) -> None:
        for held in self._astray:
            self._count(held)
        self._astray, self._suspects = Astray(self._window.reach), 0

    def _count(self, held: Held[T]) -> None:
        if self._gaps.remove(held.sequence):
            self.counts.late += 1
        elif self.has_passed(held.sequence):
            self.counts.repeats += 1
        else:
            self.counts.strays += 1


def _proven[T](group: list[Held[T]]) -> bool:
    return any(held.sign in {Sign.CONFLICT, Sign.AHEAD} for held in group)


def _passed(time: float | None, now: float) -> bool:
    return time is not None and time <= now
