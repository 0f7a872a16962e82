"""The simulation of shards: what it counts, and what it shows of the deployed placement."""

from dataclasses import replace

import pytest

from bench.placing import MOST, SCENES, Run, Scene, by_chance, equal
from callstream.calls.placement import emptiest


def share(scene: Scene, *, ours: bool = True, calls: int = 1_500) -> float:
    scene = replace(scene, calls=calls)
    return Run(scene, emptiest if ours else by_chance, 1).share_of_calls()


def test_calls_by_chance_are_often_on_a_shard_that_is_asked_for_too_much() -> None:
    assert share(SCENES[0], ours=False) > 0.5


@pytest.mark.parametrize("scene", [*SCENES[:5], *SCENES[6:9]], ids=lambda scene: scene.name)
def test_placed_calls_are_hardly_ever_on_a_shard_that_is_asked_for_too_much(scene: Scene) -> None:
    # One moment of too much on a shard is 21 of these calls.
    assert share(scene) < 2 * MOST


@pytest.mark.parametrize(("tracks", "expected"), [(20, 0), (21, 1)])
def test_shard_takes_20_tracks(tracks: int, expected: int) -> None:
    found = share(Scene("one shard", tracks, equal(1)), calls=1_000)
    assert (found > 1 / 2) is bool(expected)
