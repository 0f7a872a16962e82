"""How many calls are ever on a shard that is asked for more than it takes: a simulation.

Streams are placed by the code that is deployed, with counts that it keeps and corrects as it does,
and beside that by chance, as ids by chance do. Calls, time and faults are simulated, from the same
seeds each time: the numbers do not depend on the machine.
"""

import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from statistics import mean
from typing import Final

from bench.measures import Measure
from callstream.calls.placement import PARTS, emptiest
from callstream.calls.placement_sweep import SETTLED, both_found

SHARD_TRACKS: Final = 20
"""A shard takes 1,000 records a second, and a track makes 50."""
MOST: Final = 0.01
"""The most calls of a scene that may ever be on a shard that is asked for more."""
_MEAN_SECONDS: Final = 180.0
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_SEEDS: Final = (1, 2, 3)
_POWERS: Final = (1, 2, 8)
_OF_OTHERS: Final = 17
"""The tracks of each shard if their number is no power of two."""


def equal(shards: int) -> tuple[float, ...]:
    """The upper ends of equal shards, as shares of all hashes."""
    return tuple((index + 1) / shards for index in range(shards))


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens. Times are in seconds, shares from 0 to 1.

    Attributes:
        name: what is special.
        tracks: how many tracks there are at once. A call that ends is replaced at once, before its
            end is counted, by one with as many tracks.
        shards: the upper ends of the shards, as shares of all hashes.
        two_track: the share of calls with two tracks. The second is counted a second later.
        late: the longest time until the end of a call is counted.
        wrong: the share of updates of counts that are lost, and also of those that come twice.
        unnoticed: the share of calls whose end nothing reports, so that only the sweep notices.
        gone_every: how often all counts are gone; 0 for never.
        then: the shards after half of the calls; empty if they stay.
        grows: the factor of the number of tracks after that.
        judged: whether the budget applies.
        calls: how many calls there are in all.
    """

    name: str
    tracks: int = 76
    shards: tuple[float, ...] = equal(4)
    two_track: float = 0.0
    late: float = 0.5
    wrong: float = 0.0
    unnoticed: float = 0.0
    gone_every: float = 0.0
    then: tuple[float, ...] = ()
    grows: float = 1.0
    judged: bool = True
    calls: int = 8_000


_FAULTS: Final = Scene("", late=1, wrong=0.001, unnoticed=0.005, gone_every=_HOUR)
SCENES: Final = (
    Scene("76 tracks on 4 shards"),
    Scene("the same, ends counted up to 2 s late", late=2),
    Scene("the same, 0.1 % of updates lost, 0.1 % twice", wrong=0.001),
    Scene("the same, 0.5 % of ends found by the sweep only", unnoticed=0.005),
    Scene("the same, all counts gone every hour", gone_every=_HOUR),
    replace(_FAULTS, name="the same, with all these faults, late by 1 s"),
    replace(_FAULTS, name="72 tracks on 4 shards, with all these faults", tracks=72),
    Scene("76 tracks on 4 shards, which split; then 152 tracks", then=equal(8), grows=2),
    Scene("76 tracks on 4 shards, one of which splits", then=(0.125, 0.25, 0.5, 0.75, 1)),
    Scene("38 calls of two tracks on 4 shards", two_track=1, judged=False),
    Scene("36 calls of two tracks on 4 shards", tracks=72, two_track=1),
    Scene("68 tracks on 4 shards, half of the calls with two", tracks=68, two_track=0.5),
    Scene("38 tracks on 3 shards, one as large as both others", 38, (0.5, 0.75, 1)),
    *(
        Scene(
            f"{each * shards} tracks on {shards} shard{'s' * (shards > 1)}",
            each * shards,
            equal(shards),
            judged=shards in _POWERS or each <= _OF_OTHERS,
        )
        for shards, of_each in {
            **dict.fromkeys(_POWERS, (19,)),
            **dict.fromkeys((3, 5, 6, 7), (19, 18, _OF_OTHERS)),
        }.items()
        for each in of_each
    ),
)


def measure() -> list[Measure]:
    """Play all scenes, three times each."""
    return [_measure(scene) for scene in SCENES]


def _measure(scene: Scene) -> Measure:
    placed, left_to_chance = (
        mean(Run(scene, choose, seed).share_of_calls() for seed in _SEEDS)
        for choose in (emptiest, by_chance)
    )
    return Measure(
        section="placement",
        name=scene.name,
        value=100 * placed,
        unit="% of calls",
        against=f"{100 * left_to_chance:.0f} % with ids by chance",
        budget=100 * MOST if scene.judged else None,
    )


def by_chance(counts: Sequence[int], chance: Callable[[], float]) -> int:
    """The part of an id by chance."""
    return int(chance() * len(counts))


@dataclass(slots=True)
class _Call:
    place: float
    """Its hash, as a share of all hashes."""
    tracks: int
    counted: int
    """As many tracks as the table knows; 0 once the end is noticed."""
    is_hurt: bool = False

    @property
    def part(self) -> int:
        return int(self.place * PARTS)


class Run:
    """One run of a scene.

    Args:
        scene: the scene.
        choose: chooses a part, as `placement.emptiest` does. A new stream is counted at once, since
            of two streams that are placed at the same moment the later one moves.
        seed: what chance begins with.
    """

    def __init__(
        self, scene: Scene, choose: Callable[[Sequence[int], Callable[[], float]], int], seed: int
    ) -> None:
        self._scene, self._choose = scene, choose
        self._random = Random(seed)  # noqa: S311
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._ordinal = 0
        self._shards = scene.shards
        self._counts: list[int] | None = [0] * PARTS
        self._calls: list[_Call] = []
        self._known: list[_Call] = []
        self._made = self._hurt = 0

    def share_of_calls(self) -> float:
        """The share of calls that were ever on a shard that was asked for too much."""
        scene = self._scene
        self._add_tracks(scene.tracks)
        self._after(_MINUTE, self._sweep)
        if scene.gone_every:
            self._after(scene.gone_every, self._lose_counts)
        while self._made < scene.calls:
            self._now, _, event = heapq.heappop(self._events)
            event()
            if scene.then and self._shards is scene.shards and self._made > scene.calls / 2:
                self._shards = scene.then
                self._add_tracks(round(scene.tracks * (scene.grows - 1)))
        return (self._hurt + sum(call.is_hurt for call in self._calls)) / self._made

    def _add_tracks(self, tracks: int) -> None:
        """Begin calls within a minute."""
        calls = round(tracks / (1 + self._scene.two_track))
        doubles = round(calls * self._scene.two_track)
        for index in range(calls):
            of_each = 2 if index < doubles else 1
            self._after(self._up_to(_MINUTE), partial(self._begin, of_each))

    def _begin(self, tracks: int) -> None:
        chance = self._random.random
        part = (self._choose if self._counts else by_chance)(self._counts or [0] * PARTS, chance)
        call = _Call((part + chance()) / PARTS, tracks, 1)
        self._made += 1
        self._calls.append(call)
        self._known.append(call)
        self._load(call)
        self._count(call.part, 1)
        if tracks > 1:
            self._after(1, lambda: self._start(call))
        self._after(2 + self._random.expovariate(1 / _MEAN_SECONDS), lambda: self._end(call))

    def _start(self, call: _Call) -> None:
        self._count(call.part, call.tracks - call.counted)
        call.counted = call.tracks

    def _end(self, call: _Call) -> None:
        self._calls.remove(call)
        self._hurt += call.is_hurt
        late = self._up_to(self._scene.late)
        if self._random.random() < self._scene.unnoticed:
            late = _MINUTE + self._up_to(_MINUTE)
        self._after(late, lambda: self._notice(call))
        self._begin(call.tracks)

    def _notice(self, call: _Call) -> None:
        self._known.remove(call)
        self._count(call.part, -call.counted)

    def _load(self, newest: _Call) -> None:
        shard = bisect_right(self._shards, newest.place)
        there = [each for each in self._calls if bisect_right(self._shards, each.place) == shard]
        if sum(each.tracks for each in there) > SHARD_TRACKS:
            for each in there:
                each.is_hurt = True

    def _count(self, part: int, tracks: int) -> None:
        if self._counts is None:
            return
        fate, wrong = self._random.random(), self._scene.wrong
        times = 0 if fate < wrong else 2 if fate < 2 * wrong else 1
        self._counts[part] += tracks * times

    def _sweep(self) -> None:
        first = self._look()
        self._after(SETTLED, lambda: self._correct(first))
        self._after(_MINUTE, self._sweep)

    def _look(self) -> dict[int, int]:
        found = Counter[int]()
        for call in self._known:
            found[call.part] += call.counted
        if self._counts is None:
            self._counts = [found[part] for part in range(PARTS)]
        return {part: by for part, n in enumerate(self._counts) if (by := found[part] - n)}

    def _correct(self, first: dict[int, int]) -> None:
        for part, by in both_found(first, self._look()).items():
            if self._counts:
                self._counts[part] += by

    def _lose_counts(self) -> None:
        self._counts = None
        self._after(self._scene.gone_every, self._lose_counts)

    def _up_to(self, seconds: float) -> float:
        return self._random.uniform(0, seconds)

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        self._ordinal += 1
        heapq.heappush(self._events, (self._now + seconds, self._ordinal, event))
