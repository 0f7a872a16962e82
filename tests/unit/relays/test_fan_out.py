"""The fan-out of records to the subscribers of their streams."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import boto3
import pytest
from moto import mock_aws
from msgspec.structs import replace

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.dialects.events import Mark, Media
from callstream.errors import Throttled, Unavailable, Undeliverable
from callstream.frames import records
from callstream.frames.records import Cleared, Record, Returned, Transcript
from callstream.identity import RelayIdentity
from callstream.relays.batches import read_batch
from callstream.relays.fan_out import CACHE_SECONDS, FanOut
from callstream.relays.subscriptions import Subscriber, Subscriptions, left_out_stream
from tests.starter import Starter
from tests.template import create_table

MOST_POSTED = 128 * 1024
"""API Gateway takes no larger message."""
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def record(sequence: int) -> Record:
    media = Media(sequence, "inbound", sequence, sequence * 20, b"\x7f" * 160)
    return Record("s1", "acme", "genagent", "twilio", 0, media)


def subscriber(connection_id: str) -> Subscriber:
    return Subscriber(connection_id, RelayIdentity("acme", "CA1", "r1"), f"run-{connection_id}")


class Sockets:
    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.down: set[str] = set()
        self.throttled: set[str] = set()
        self.noticed: list[tuple[str, str]] = []
        self.received: list[tuple[str, list[int]]] = []

    def post(self, connection_id: str, data: bytes) -> bool:
        if connection_id in self.down:
            raise Unavailable("apigateway", "Down")
        if connection_id in self.throttled:
            raise Throttled("apigateway", "LimitExceededException")
        if (stream_id := left_out_stream(data.decode())) is not None:
            self.noticed.append((connection_id, stream_id))
            return True
        if len(data) > MOST_POSTED:
            raise Undeliverable("apigateway", "PayloadTooLargeException")
        if connection_id in self.gone:
            return False
        found = [each.event for each in read_batch(data)]
        numbers = [event.sequence for event in found if isinstance(event, Media)]
        self.received.append((connection_id, numbers))
        return True

    def active_at(self, connection_id: str) -> datetime | None:
        raise NotImplementedError

    def close(self, connection_id: str) -> None:
        raise NotImplementedError


class Scene:
    def __init__(self) -> None:
        self.now = NOW
        self.sockets = Sockets()
        table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        self.subscriptions = Subscriptions(table)
        self.starter = Starter()
        self.fan_out = FanOut(self.subscriptions, self.sockets, self.starter, lambda: self.now)

    def subscribe(self, stream_id: str, connection_id: str) -> None:
        self.subscriptions.add(stream_id, subscriber(connection_id), self.now)

    def deliver(self, *numbers: int, stream_id: str = "s1") -> set[str]:
        return self.fan_out.deliver(
            {stream_id: [records.encode(record(number)) for number in numbers]}
        )


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

    assert sorted(scene.sockets.received) == [
        ("c1", [1, 2]),
        ("c1", [3]),
        ("c2", [1, 2]),
        ("c2", [3]),
    ]


def test_nothing_is_sent_without_subscribers(scene: Scene) -> None:
    scene.deliver(1)

    assert scene.sockets.received == []


def test_a_new_subscriber_gets_records_when_the_cache_expires(scene: Scene) -> None:
    scene.deliver(1)
    scene.subscribe("s1", "c1")
    scene.now += timedelta(seconds=CACHE_SECONDS)
    scene.deliver(2)

    assert scene.sockets.received == [("c1", [2])]


def test_streams_without_subscribers_need_one_request_a_second_together(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    request = DynamoTable._query

    def query(table: DynamoTable, condition: Any) -> Any:
        asked.append(condition.get_expression()["values"][0].get_expression()["values"][1])
        return request(table, condition)

    monkeypatch.setattr(DynamoTable, "_query", query)
    streams = [f"s{number}" for number in range(5)]
    for _ in range(300):
        for stream_id in streams:
            scene.deliver(1, stream_id=stream_id)
        scene.now += timedelta(seconds=0.1)

    assert {each: asked.count(f"STREAM#{each}") for each in streams} == dict.fromkeys(streams, 1)
    assert asked.count("SUBSCRIPTIONS") == 29


def test_a_new_subscriber_is_found_however_long_a_worker_was_frozen(scene: Scene) -> None:
    for seconds in (1, 30, 59, 61, 3600):
        stream_id = f"s{seconds}"
        scene.deliver(1, stream_id=stream_id)
        scene.subscribe(stream_id, "c1")
        scene.now += timedelta(seconds=seconds)
        scene.deliver(2, stream_id=stream_id)

    assert scene.sockets.received == [("c1", [2])] * 5


def test_a_subscriber_whose_clock_is_slow_is_found(scene: Scene) -> None:
    scene.deliver(1)
    scene.now += timedelta(seconds=CACHE_SECONDS)
    scene.deliver(2)
    scene.subscriptions.add("s1", subscriber("c1"), scene.now - timedelta(seconds=4))
    scene.now += timedelta(seconds=CACHE_SECONDS)
    scene.deliver(3)

    assert scene.sockets.received == [("c1", [3])]


def test_a_subscriber_that_is_gone_is_removed_and_disturbs_no_other(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.sockets.gone = {"c1"}
    scene.deliver(1)
    scene.deliver(2)

    assert scene.sockets.received == [("c2", [1]), ("c2", [2])]
    assert scene.subscriptions.of("s1") == [subscriber("c2")]


@pytest.mark.parametrize("down", [False, True])
def test_the_relay_of_a_gone_subscriber_is_rescued_once(scene: Scene, *, down: bool) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.sockets.gone = {"c1"}
    scene.starter.down = down
    scene.deliver(1)
    scene.deliver(2)

    assert scene.starter.asked == ([] if down else [("rescue", "r1", "run-c1")])
    assert scene.sockets.received == [("c2", [1]), ("c2", [2])]


def test_a_record_that_can_never_be_sent_is_dropped_at_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    large = replace(record(2), event=Mark(2, "m" * 125_000))
    events = [records.encode(each) for each in (record(1), large, record(3))]
    scene.fan_out.deliver({"s1": events})

    assert sorted(scene.sockets.received) == [("c1", [1]), ("c1", [3]), ("c2", [1]), ("c2", [3])]
    lost = "record not forked: the relay can never get it"
    assert caplog.messages == [lost, lost]
    assert "mmm" not in str([vars(each) for each in caplog.records])


def test_a_throttled_subscriber_keeps_nobody_waiting_and_is_noticed_later(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.subscribe("s1", "slow")
    scene.subscribe("s1", "quick")
    scene.sockets.throttled = {"slow"}
    scene.deliver(1)
    scene.deliver(2)
    scene.sockets.throttled = set()
    scene.deliver(3)

    assert [each for each in scene.sockets.received if each[0] == "quick"] == [
        ("quick", [1]),
        ("quick", [2]),
        ("quick", [3]),
    ]
    assert [each for each in scene.sockets.received if each[0] == "slow"] == [("slow", [3])]
    assert scene.sockets.noticed == [("slow", "s1")]
    left_out = "records left out: the relay is throttled, and reads them later"
    assert caplog.messages == [left_out, left_out]
    assert scene.starter.asked == []

    # Another worker has the notice from the table, until the relay subscribes again.
    scene.fan_out = FanOut(scene.subscriptions, scene.sockets, scene.starter, lambda: scene.now)
    scene.deliver(4)
    assert scene.sockets.noticed == [("slow", "s1")] * 2
    scene.subscribe("s1", "slow")
    scene.now += timedelta(seconds=CACHE_SECONDS)
    scene.deliver(5)
    assert scene.sockets.noticed == [("slow", "s1")] * 2


def test_a_throttled_subscriber_that_is_gone_leaves_no_item(scene: Scene) -> None:
    scene.subscriptions.note_left_out("s1", "c1", NOW)

    assert scene.subscriptions.of("s1") == []


def test_an_outage_is_raised_so_that_kinesis_delivers_again(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.sockets.down = {"c1"}

    assert scene.deliver(1) == {"s1"}
    assert scene.subscriptions.of("s1") == [subscriber("c1")]


def test_a_removed_subscription_gets_no_more_records(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscriptions.remove("s1", "c1")
    scene.deliver(1)

    assert scene.sockets.received == []


def test_an_unreachable_subscriber_keeps_no_other_waiting(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    scene.subscribe("s1", "c2")
    scene.sockets.down = {"c1"}

    assert scene.deliver(1) == {"s1"}
    assert scene.sockets.received == [("c2", [1])]


def test_streams_of_a_batch_that_fail_disturb_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = scene.subscriptions.of

    def of_some(stream_id: str) -> list[Subscriber]:
        if stream_id == "s3":
            raise Unavailable("dynamodb", "Down")
        return of(stream_id)

    monkeypatch.setattr(scene.subscriptions, "of", of_some)
    for number in (1, 2, 3, 4):
        scene.subscribe(f"s{number}", f"c{number}")
    scene.sockets.down, scene.sockets.gone = {"c1"}, {"c2"}
    encoded = [records.encode(record(1))]

    failed = scene.fan_out.deliver({f"s{number}": encoded for number in (1, 2, 3, 4)})
    assert failed == {"s1", "s3"}
    assert scene.sockets.received == [("c4", [1])]
    assert scene.starter.asked == [("rescue", "r1", "run-c2")]


def test_an_outage_of_the_table_is_met_once_whatever_the_number_of_streams(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def fail(moment: datetime) -> set[str]:
        asked.append(moment)
        raise Unavailable("dynamodb", "Down")

    scene.subscribe("s1", "c1")
    scene.deliver(1)
    monkeypatch.setattr(scene.subscriptions, "changed_since", fail)
    scene.now += timedelta(seconds=CACHE_SECONDS)
    batch = [records.encode(record(2))]

    assert scene.fan_out.deliver({"s1": batch, "s2": batch}) == {"s1", "s2"}
    assert len(asked) == 1


def test_posts_wait_for_no_other_subscriber(scene: Scene) -> None:
    together = Barrier(3, timeout=10)
    post = scene.sockets.post

    def post_together(connection_id: str, data: bytes) -> bool:
        together.wait()
        return post(connection_id, data)

    scene.sockets.post = post_together  # type: ignore[method-assign]
    for connection_id in ("c1", "c2", "c3"):
        scene.subscribe("s1", connection_id)
    with ThreadPoolExecutor(3) as pool:
        scene.fan_out = FanOut(
            scene.subscriptions, scene.sockets, scene.starter, lambda: scene.now, pool.map
        )
        assert scene.deliver(1) == set()

    assert sorted(scene.sockets.received) == [(each, [1]) for each in ("c1", "c2", "c3")]


def test_output_of_relays_is_not_sent(scene: Scene) -> None:
    scene.subscribe("s1", "c1")
    line = Transcript("r1", 1, "inbound", 0, 900, "en-US", "Hello.")
    answers = [Returned("r1", 1, b"a"), Cleared("r1", 2), line]
    # Audio that looks like an answer's record is audio.
    media = Media(3, "inbound", 1, 20, records.encode(replace(record(1), event=answers[0])))
    events = [*answers, media]
    encoded = [records.encode(replace(record(1), event=event)) for event in events]
    scene.fan_out.deliver({"s1": encoded})
    scene.fan_out.deliver({"s1": encoded[:1]})

    assert scene.sockets.received == [("c1", [3])]
