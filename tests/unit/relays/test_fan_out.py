"""Who gets a stream's records, and how they are handed on."""

from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.dialects.events import Media
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Record
from callstream.identity import RelayIdentity
from callstream.relays.fan_out import (
    CACHE_SECONDS,
    FanOut,
    Subscriber,
    Subscriptions,
    batches,
    read_batch,
)
from tests.starter import Starter
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def record(sequence: int, audio: bytes = b"\x7f" * 160) -> Record:
    media = Media(sequence, "inbound", sequence, sequence * 20, audio)
    return Record("s1", "acme", "genagent", "twilio", 0, media)


@given(st.lists(st.integers(0, 100_000), max_size=30))
def test_batches_hold_every_record_in_order_and_fit_into_a_message(sizes: list[int]) -> None:
    sent = [record(number, bytes(size)) for number, size in enumerate(sizes)]
    messages = batches(map(records.encode, sent))

    assert [found for message in messages for found in read_batch(message)] == sent
    assert all(len(message) <= 32 * 1024 for message in messages if len(read_batch(message)) > 1)


def test_what_is_no_record_is_left_out_and_what_is_no_batch_is_refused() -> None:
    [message] = batches([b"?", records.encode(record(1)), b""])

    assert read_batch(message) == [record(1)]
    for bad in ("*", "", "AAAA"):
        with pytest.raises(UnreadableMessage):
            read_batch(bad)


def subscriber(connection_id: str) -> Subscriber:
    return Subscriber(connection_id, RelayIdentity("acme", "CA1", "r1"), f"run-{connection_id}")


class Sockets:
    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.down: set[str] = set()
        self.got: list[tuple[str, list[int]]] = []

    def post(self, connection_id: str, data: bytes) -> bool:
        if connection_id in self.down:
            raise Unavailable("apigateway", "Down")
        if connection_id in self.gone:
            return False
        found = [each.event for each in read_batch(data)]
        numbers = [event.sequence for event in found if isinstance(event, Media)]
        self.got.append((connection_id, numbers))
        return True

    def active_at(self, connection_id: str) -> datetime | None:
        raise NotImplementedError

    def close(self, connection_id: str) -> None:
        raise NotImplementedError


class Scene:
    def __init__(self) -> None:
        self.now = 0.0
        self.sockets = Sockets()
        table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        self.subscriptions = Subscriptions(table)
        self.starter = Starter()
        self.fan_out = FanOut(self.subscriptions, self.sockets, self.starter, lambda: self.now)

    def subscribe(self, stream_id: str, connection_id: str) -> None:
        self.subscriptions.add(stream_id, subscriber(connection_id), NOW)

    def deliver(self, *numbers: int, stream_id: str = "s1") -> None:
        self.fan_out.deliver(stream_id, [records.encode(record(number)) for number in numbers])


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene()


def test_each_subscriber_gets_each_record_of_its_streams(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.subscribe("s2", "c3")
    scene.deliver(1, 2)
    scene.deliver(3)

    assert sorted(scene.sockets.got) == [("c1", [1, 2]), ("c1", [3]), ("c2", [1, 2]), ("c2", [3])]


def test_without_subscribers_nothing_is_sent(scene: Scene) -> None:
    scene.deliver(1)

    assert scene.sockets.got == []


def test_a_new_subscriber_is_known_of_within_a_moment(scene: Scene) -> None:
    scene.deliver(1)
    scene.subscribe("s1", "c1")
    scene.now += CACHE_SECONDS
    scene.deliver(2)

    assert scene.sockets.got == [("c1", [2])]


def test_one_that_is_gone_is_forgotten_and_disturbs_no_other(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.sockets.gone = {"c1"}
    scene.deliver(1)
    scene.deliver(2)

    assert scene.sockets.got == [("c2", [1]), ("c2", [2])]
    assert scene.subscriptions.of("s1") == [subscriber("c2")]


@pytest.mark.parametrize("down", [False, True])
def test_the_relay_of_one_that_is_gone_is_rescued_once(scene: Scene, *, down: bool) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.sockets.gone = {"c1"}
    scene.starter.down = down
    scene.deliver(1)
    scene.deliver(2)

    assert scene.starter.asked == ([] if down else [("rescue", "r1", "run-c1")])
    assert scene.sockets.got == [("c2", [1]), ("c2", [2])]


def test_an_outage_is_told_so_that_the_batch_comes_again(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.sockets.down = {"c1"}

    with pytest.raises(Unavailable):
        scene.deliver(1)
    assert scene.subscriptions.of("s1") == [subscriber("c1")]


def test_who_takes_itself_off_gets_no_more(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscriptions.remove("s1", "c1")
    scene.deliver(1)

    assert scene.sockets.got == []


def test_the_trouble_of_one_keeps_no_other_waiting(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.sockets.down = {"c1"}

    with pytest.raises(Unavailable):
        scene.deliver(1)
    assert scene.sockets.got == [("c2", [1])]
