"""Turns at a shard, for relays that catch up."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.errors import Unavailable
from callstream.relays.read_turns import TURN_SECONDS, ReadTurns
from tests.template import create_table

NOW = 1_767_268_800.1


class Scene:
    def __init__(self) -> None:
        self.table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        self.now = NOW
        self.turns = ReadTurns(self.table, lambda: self.now)

    def take(self, shard_id: str = "shard-0") -> float:
        return round(self.turns.take(shard_id), 3)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene()


def test_turns_at_a_shard_follow_one_another(scene: Scene) -> None:
    assert [scene.take() for _ in range(4)] == [0, 0.4, 0.9, 1.4]
    assert scene.take("shard-1") == 0
    scene.now += 1.2
    assert scene.take() == 0.7
    scene.now += 60
    assert scene.take() == 0


def test_turns_that_a_wrong_clock_has_taken_are_forgotten(scene: Scene) -> None:
    scene.now += 86_400
    scene.take()
    scene.now -= 86_400

    assert [scene.take(), scene.take()] == [0, 0.4]


def test_turns_expire_with_the_item(scene: Scene) -> None:
    scene.take()
    item = scene.table.get({"pk": "READS#shard-0", "sk": "TURNS"})

    assert item is not None
    assert item["expires_at"] - NOW > 600 * TURN_SECONDS


def test_turns_need_the_table(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def update(_request: object) -> None:
        raise Unavailable("dynamodb", "Down")

    monkeypatch.setattr(scene.table, "update", update)
    with pytest.raises(Unavailable):
        scene.take()
