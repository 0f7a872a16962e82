"""The order in which frames come to API Gateway and to Kinesis. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from callstream.reordering.window import Window
from callstream_cli.verify.findings import Finding, judged
from callstream_cli.verify.landings import Landed

_WINDOW: Final = Window()


@dataclass(frozen=True, slots=True)
class Order:
    """How far frames of a stream were overtaken by later frames of the stream."""

    frames: int
    overtaken: int
    """How many frames came to Kinesis after a later frame."""
    most_places: int
    """By how many later frames a frame was overtaken, at most."""
    most_ms: float
    """How long after the first later frame a frame came, at most."""
    late: int
    """How many frames came too late for readers to put them in order."""
    overtaken_before: int
    """How many frames came to API Gateway after a later frame."""


def order_of(landed: Landed) -> Order:
    """The order of a stream's frames."""
    places = _overtakings(landed.arrived_at)
    return Order(
        frames=len(landed.arrived_at),
        overtaken=len(places),
        most_places=max((place for place, _ in places), default=0),
        most_ms=max((ms for _, ms in places), default=0.0),
        late=sum(place > _WINDOW.messages or ms > _WINDOW.seconds * 1000 for place, ms in places),
        overtaken_before=len(_earlier(landed.received_at)),
    )


def total(orders: Iterable[Order]) -> Order:
    """Several streams together."""
    orders = list(orders)
    return Order(
        frames=sum(each.frames for each in orders),
        overtaken=sum(each.overtaken for each in orders),
        most_places=max((each.most_places for each in orders), default=0),
        most_ms=max((each.most_ms for each in orders), default=0.0),
        late=sum(each.late for each in orders),
        overtaken_before=sum(each.overtaken_before for each in orders),
    )


def order_finding(check: str, orders: Sequence[Order]) -> Finding:
    """Whether readers can put all frames in order: none may come too late."""
    of = total(orders)
    problems = [f"{of.late} of {of.frames} frames came too late to be put in order"] * (of.late > 0)
    good = (
        f"{of.overtaken} of {of.frames} frames came after a later frame"
        f"{in_words(of) if of.overtaken else ''}; readers wait long enough for all"
    )
    figures = {name: getattr(of, name) for name in Order.__slots__}
    return judged(check, problems, good, **figures)


def in_words(of: Order) -> str:
    """How far frames were overtaken, in brackets."""
    return f" (by up to {of.most_places} places and {of.most_ms:.0f} ms)"


def _overtakings(arrived_at: Mapping[int, int]) -> list[tuple[int, float]]:
    """Of each frame that came after a later frame: by how many, and how long after the first.

    Kinesis gives records in the order of the shard, which is the order of the mapping.
    """
    found: list[tuple[int, float]] = []
    came: list[tuple[int, int]] = []
    for sequence, at in arrived_at.items():
        if came and sequence < max(came)[0]:
            later = [time for number, time in came if number > sequence]
            found.append((len(later), at - min(later)))
        came.append((sequence, at))
        # Readers wait for less than that.
        del came[: -2 * _WINDOW.messages]
    return found


def _earlier(received_at: Mapping[int, int]) -> list[int]:
    """The frames that API Gateway received before an earlier frame, by its own clock."""
    found: list[int] = []
    latest = 0
    for sequence in sorted(received_at):
        if received_at[sequence] < latest:
            found.append(sequence)
        latest = max(latest, received_at[sequence])
    return found
