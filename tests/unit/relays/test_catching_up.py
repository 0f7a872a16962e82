"""Reading what a run has missed: its parts, and the end of patience."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import override

from callstream.frames.records import Record
from callstream.relays.catching_up import read_up
from callstream.relays.ports import Backlog
from tests.unit.relays.scenes import media, play_without_waiting


class Parts(Backlog):
    """A backlog of parts, which notes when it is read."""

    def __init__(self, *parts: Sequence[int], is_endless: bool = False) -> None:
        self.parts, self.is_endless = [*parts], is_endless
        self.read_at: list[float] = []

    @override
    def read(self) -> Sequence[Record]:
        self.read_at.append(asyncio.get_running_loop().time())
        return [media(number) for number in (self.parts.pop(0) if self.parts else ())]

    @override
    def has_covered(self, moment: float) -> bool:
        assert moment == 1000
        return not (self.parts or self.is_endless)

    @override
    def seconds_until_due(self) -> float:
        return 0.5


def read(backlog: Parts) -> list[int]:
    found: list[int] = []

    async def act() -> None:
        async for part in read_up(backlog, 1000, patience=10):
            found.extend(getattr(each.event, "sequence", 0) for each in part)

    play_without_waiting(act)
    return found


def test_missed_records_are_read_part_by_part_when_each_is_due() -> None:
    backlog = Parts([1, 2], [], [3])

    assert read(backlog) == [1, 2, 3]
    assert [after - before for before, after in pairwise(backlog.read_at)] == [0.5, 0.5]


def test_reading_missed_records_comes_to_an_end() -> None:
    backlog = Parts([1], is_endless=True)

    assert read(backlog) == [1]
    assert backlog.read_at[-1] - backlog.read_at[0] < 10
