"""Reading what a run has missed: parts, refusals, and the end of patience."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import override

import pytest

from callstream.errors import Throttled
from callstream.frames.records import Record
from callstream.relays.catching_up import read_up
from callstream.relays.ports import Backlog
from tests.unit.relays.scenes import media, play_without_waiting


class Parts(Backlog):
    """A backlog of parts, None for a refusal; the last is repeated. It notes when it is read."""

    def __init__(self, *parts: Sequence[int] | None) -> None:
        self.parts = [*parts]
        self.read_at: list[float] = []

    @override
    def read(self) -> Sequence[Record]:
        self.read_at.append(asyncio.get_running_loop().time())
        part = self.parts.pop(0) if len(self.parts) > 1 else self.parts[0]
        if part is None:
            raise Throttled("kinesis", "ProvisionedThroughputExceededException")
        return [media(number) for number in part]

    @override
    def has_covered(self, moment: float) -> bool:
        return len(self.parts) == 1 and self.parts[0] is not None

    @override
    def seconds_until_due(self) -> float:
        return 0.5


def read(backlog: Parts, patience: float = 60) -> list[int]:
    found: list[int] = []

    async def act() -> None:
        async for part in read_up(backlog, 1000, patience):
            found.extend(getattr(each.event, "sequence", 0) for each in part)

    play_without_waiting(act)
    return found


def test_missed_records_are_read_part_by_part_in_their_time() -> None:
    backlog = Parts([1, 2], [3], [])

    assert read(backlog) == [1, 2, 3]
    assert [after - before for before, after in pairwise(backlog.read_at)] == [0.5]


def test_missed_records_are_read_although_kinesis_refuses_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        pauses.append((low, high))
        return high

    monkeypatch.setattr("random.uniform", uniform)
    refusals = [None] * 5

    assert read(Parts(*refusals, [1], None, [2], [])) == [1, 2]
    assert pauses == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 4), (0, 0.5)]


@pytest.mark.parametrize("parts", [(None,), ([], None), ([], [], None)])
def test_reading_missed_records_comes_to_an_end(
    parts: tuple[Sequence[int] | None, ...], caplog: pytest.LogCaptureFixture
) -> None:
    backlog = Parts(*parts)
    found = read(backlog, patience=10)

    assert found == []
    assert backlog.read_at[-1] - backlog.read_at[0] < 10
    assert caplog.messages[-1] == "missed records cannot be read; the consumer has a gap"
