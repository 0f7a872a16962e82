"""The sweep: what each stream needs, and what is done about it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.call_requests import call_key
from callstream.calls.model import MediaStream, StartedStream
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started, stream_key
from callstream.calls.sweep import (
    ABNORMAL,
    KEEP_ALIVE_MARK,
    OVERDUE,
    QUIET,
    SILENT,
    StreamStep,
    StreamSweep,
    next_step,
)
from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnMark, Start
from callstream.errors import IllegalTransition, Unavailable
from callstream.frames.publisher import ReceivedEvent
from callstream.frames.records import Disconnected
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.rounds import Allowance, Rounds
from callstream.times import milliseconds
from tests.template import create_table
from tests.unit.items import connected_stream, started_stream

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEEP_ALIVE = timedelta(minutes=4)
MINUTE = timedelta(minutes=1)
JUST_UNDER = timedelta(milliseconds=1)
UNLIMITED = Allowance(lambda: 1)


def seen(
    *,
    connected: timedelta,
    counted: timedelta | None = None,
    sent: timedelta | None = None,
    dialect: str = "twilio",
) -> StartedStream:
    """A Twilio stream; each of these is how long ago it was."""
    times = {"connected_at": connected, "last_seen_at": counted, "kept_alive_at": sent}
    ago: dict[str, Any] = {
        name: milliseconds(NOW - time) for name, time in times.items() if time is not None
    }
    return started_stream(**ago, dialect=dialect)


@pytest.mark.parametrize(
    ("stream", "step"),
    [
        (seen(connected=QUIET - JUST_UNDER), StreamStep.LEAVE),
        (seen(connected=QUIET), StreamStep.ASK),
        (seen(connected=3 * MINUTE, counted=QUIET - JUST_UNDER), StreamStep.LEAVE),
        (seen(connected=3 * MINUTE, counted=QUIET), StreamStep.ASK),
        (seen(connected=KEEP_ALIVE - JUST_UNDER, counted=MINUTE / 2), StreamStep.LEAVE),
        (seen(connected=KEEP_ALIVE, counted=MINUTE / 2), StreamStep.KEEP_ALIVE),
        (seen(connected=60 * MINUTE, counted=MINUTE / 2, sent=3 * MINUTE), StreamStep.LEAVE),
        (seen(connected=60 * MINUTE, counted=MINUTE / 2, sent=KEEP_ALIVE), StreamStep.KEEP_ALIVE),
        # Whether it lives is asked first.
        (seen(connected=60 * MINUTE, counted=QUIET, sent=KEEP_ALIVE), StreamStep.ASK),
        (seen(connected=OVERDUE - JUST_UNDER, counted=MINUTE / 2, sent=MINUTE), StreamStep.LEAVE),
        (seen(connected=OVERDUE, counted=MINUTE / 2, sent=MINUTE), StreamStep.CLOSE),
    ],
)
def test_next_step_depends_on_what_was_counted_and_sent_and_when(
    stream: MediaStream, step: StreamStep
) -> None:
    assert next_step(stream, NOW, KEEP_ALIVE) is step


def test_next_step_never_keeps_alive_without_an_interval() -> None:
    stream = seen(connected=60 * MINUTE, counted=MINUTE / 2)
    assert next_step(stream, NOW, None) is StreamStep.LEAVE


def test_next_step_never_keeps_alive_a_stream_of_an_unknown_dialect() -> None:
    stream = seen(connected=60 * MINUTE, counted=MINUTE / 2, dialect="of-a-newer-version")
    assert next_step(stream, NOW, KEEP_ALIVE) is StreamStep.LEAVE


def test_next_step_never_keeps_alive_a_stream_that_has_not_started() -> None:
    connected_at = milliseconds(NOW - 60 * MINUTE)
    last_seen_at = milliseconds(NOW - MINUTE / 2)
    stream = connected_stream(connected_at=connected_at, last_seen_at=last_seen_at)
    assert next_step(stream, NOW, KEEP_ALIVE) is StreamStep.LEAVE


class Sockets:
    """API Gateway's connections: when each was last active. `broken` ones fail."""

    def __init__(self) -> None:
        self.active: dict[str, datetime] = {}
        self.broken: set[str] = set()
        self.posted: list[tuple[str, bytes]] = []
        self.asked: list[str] = []
        self.closed: list[str] = []

    def _look(self, connection_id: str) -> datetime | None:
        if connection_id in self.broken:
            raise Unavailable("apigateway", "LimitExceededException")
        return self.active.get(connection_id)

    def post(self, connection_id: str, data: bytes) -> bool:
        if self._look(connection_id) is None:
            return False
        self.posted.append((connection_id, data))
        return True

    def active_at(self, connection_id: str) -> datetime | None:
        self.asked.append(connection_id)
        return self._look(connection_id)

    def close(self, connection_id: str) -> None:
        self._look(connection_id)
        self.closed.append(connection_id)


class Scene:
    """A table with streams, their connections, and what was published."""

    def __init__(self, table: DynamoTable) -> None:
        self.table = table
        self.streams = StreamStore(table, timedelta(days=30))
        self.sockets = Sockets()
        self.published: list[tuple[StreamIdentity, int, ReceivedEvent]] = []

    def stream(
        self,
        name: str,
        connected: timedelta,
        counted: timedelta,
        dialect: str | None = "twilio",
        tenant_id: str = "acme",
    ) -> None:
        """An open stream with a connection that lives; each time is how long ago it was."""
        identity = StreamIdentity(name, tenant_id, "genagent")
        token = StreamToken("token", tenant_id, "genagent", "many", NOW)
        self.streams.open(identity, token, f"c-{name}", NOW - connected)
        if dialect is not None:
            start = Start(1, f"MZ-{name}", f"CA-{name}", "AC1", ("inbound",), PCMU_8K)
            self.streams.start(name, Started(dialect, start), NOW - connected)
        self.set(name, last_seen_at=milliseconds(NOW - counted))
        self.sockets.active[f"c-{name}"] = NOW

    def set(self, name: str, **values: Any) -> None:
        self.table.put(self.item(name) | values)

    def item(self, name: str) -> Item:
        item = self.table.get(stream_key(name))
        assert item is not None
        return item

    def state(self, name: str) -> str:
        return str(self.item(name)["state"])

    def run(
        self,
        now: datetime = NOW,
        keep_alive: timedelta | None = KEEP_ALIVE,
        allowance: Allowance = UNLIMITED,
    ) -> dict[str, int]:
        """One round; what was done, without what was not."""

        def publish(identity: StreamIdentity, received_at: int, received: ReceivedEvent) -> None:
            # The record comes first.
            assert self.state(identity.stream_id) != "closed"
            self.published.append((identity, received_at, received))

        rounds = Rounds[str]("stream", self.table)
        sweep = StreamSweep(self.streams, self.sockets, publish, keep_alive, rounds)
        return {str(step): count for step, count in sweep.run(now, allowance).items() if count}


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene(DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable")))


def test_sweep_asks_nothing_about_a_healthy_stream(scene: Scene) -> None:
    scene.stream("a", 3 * MINUTE, MINUTE / 20)

    assert scene.run() == {"leave": 1}
    assert not scene.sockets.asked
    assert not scene.sockets.posted


def test_sweep_does_not_take_its_own_mark_for_a_sign_of_life(scene: Scene) -> None:
    """API Gateway counts it as activity."""
    scene.stream("a", 30 * MINUTE, 11 * MINUTE)
    scene.set("a", kept_alive_at=milliseconds(NOW - MINUTE))
    scene.sockets.active["c-a"] = NOW - MINUTE

    assert scene.run() == {"close": 1}
    assert scene.state("a") == "closed"


def test_sweep_leaves_a_connection_that_was_active_after_the_mark(scene: Scene) -> None:
    scene.stream("a", 30 * MINUTE, 11 * MINUTE)
    scene.set("a", kept_alive_at=milliseconds(NOW - MINUTE))

    assert scene.run() == {"ask": 1}
    assert scene.state("a") == "streaming"


def test_sweep_leaves_a_stream_just_after_its_own_mark(scene: Scene) -> None:
    scene.stream("a", 60 * MINUTE, 60 * MINUTE)
    scene.set("a", kept_alive_at=milliseconds(NOW - MINUTE / 20))

    assert scene.run() == {"ask": 1}
    assert scene.state("a") == "streaming"


def test_sweep_leaves_a_stream_after_its_own_mark_until_it_is_silent(scene: Scene) -> None:
    scene.stream("a", 30 * MINUTE, 5 * MINUTE)
    scene.set("a", kept_alive_at=milliseconds(NOW - 4 * MINUTE))
    scene.sockets.active["c-a"] = NOW - 4 * MINUTE

    assert scene.run() == {"ask": 1}
    assert not scene.sockets.posted


def test_sweep_does_not_keep_a_stopped_stream_alive(scene: Scene) -> None:
    scene.stream("a", 30 * MINUTE, MINUTE / 20)
    scene.streams.stop("a", NOW)

    assert scene.run() == {"leave": 1}
    assert not scene.sockets.posted


def test_sweep_closes_an_overdue_stream_even_if_api_gateway_does_not_answer(scene: Scene) -> None:
    scene.stream("a", 200 * MINUTE, MINUTE)
    scene.sockets.broken.add("c-a")

    assert scene.run() == {"close": 1}
    assert scene.state("a") == "closed"


def test_sweep_leaves_the_rest_to_the_next_round_when_its_time_is_up(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        scene.stream(f"s{number}", 200 * MINUTE, MINUTE)

    assert scene.run(allowance=Allowance(lambda: 2 - len(scene.sockets.closed))) == {"close": 2}
    assert "no time for 3 of 5 streams" in caplog.text
    assert scene.run() == {"close": 3}


def test_sweep_does_not_let_a_tenants_many_streams_hold_back_anothers(scene: Scene) -> None:
    for number in range(9):
        scene.stream(f"a{number}", 200 * MINUTE, MINUTE, tenant_id="evil")
    scene.stream("z", 5 * MINUTE, MINUTE / 2, tenant_id="zebra")
    three = Allowance(lambda: 3 - len(scene.sockets.closed) - len(scene.sockets.posted))

    assert scene.run(allowance=three) == {"close": 2, "keep alive": 1}
    assert [connection for connection, _ in scene.sockets.posted] == ["c-z"]


def test_sweep_reads_on_in_the_next_round_where_it_stopped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callstream.calls.sweep.READ_TOGETHER", 2)
    monkeypatch.setattr("callstream.calls.sweep.READ_AT_ONCE", 4)
    for name in "abcdef":
        scene.stream(name, 3 * MINUTE, 2 * MINUTE)

    assert [scene.run() for _ in range(3)] == [{"ask": 4}, {"ask": 2}, {"ask": 4}]
    assert scene.sockets.asked == [f"c-{name}" for name in "abcdefabcd"]


def test_sweep_goes_on_after_a_stream_that_it_cannot_read(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.stream("a", 200 * MINUTE, MINUTE)
    scene.stream("b", 200 * MINUTE, MINUTE)
    scene.set("a", connected_at="of a newer version")

    assert scene.run() == {"close": 1}
    [(message, stream_id)] = [(r.message, r.stream_id) for r in caplog.records]  # type: ignore[attr-defined]
    assert message.startswith("stream not swept: this version cannot read a StartedStream")
    assert stream_id == "a"


def test_sweep_of_no_streams_does_nothing(scene: Scene) -> None:
    assert scene.run() == {}


class TestClosing:
    def test_sweep_closes_a_stream_whose_connection_is_gone(self, scene: Scene) -> None:
        scene.stream("a", 3 * MINUTE, 2 * MINUTE)
        del scene.sockets.active["c-a"]

        assert scene.run() == {"close": 1}
        disconnected = Disconnected(ABNORMAL, "swept: the connection is gone or quiet")
        assert scene.published == [
            (
                StreamIdentity("a", "acme", "genagent"),
                milliseconds(NOW),
                ReceivedEvent(disconnected),
            )
        ]
        assert scene.item("a")["closed_at"] == milliseconds(NOW)
        call = scene.table.get(call_key("acme", "CA-a"))
        assert call is not None
        assert call["state"] == "ended"
        assert scene.run() == {}

    def test_sweep_closes_a_silent_stream(self, scene: Scene) -> None:
        scene.stream("a", 30 * MINUTE, 20 * MINUTE)
        scene.sockets.active["c-a"] = NOW - SILENT

        assert scene.run() == {"close": 1}
        assert scene.sockets.closed == ["c-a"]
        assert scene.state("a") == "closed"

    def test_sweep_closes_a_stream_that_never_started(self, scene: Scene) -> None:
        scene.stream("a", 3 * MINUTE, 3 * MINUTE, dialect=None)
        del scene.sockets.active["c-a"]

        assert scene.run() == {"close": 1}
        assert scene.state("a") == "closed"

    def test_sweep_closes_an_overdue_stream_without_asking(self, scene: Scene) -> None:
        scene.stream("a", OVERDUE, MINUTE / 20)

        assert scene.run() == {"close": 1}
        assert (scene.sockets.asked, scene.sockets.closed) == ([], ["c-a"])
        assert scene.state("a") == "closed"

    def test_sweep_closes_a_stream_that_cannot_be_kept_alive(self, scene: Scene) -> None:
        """Such as one that ended less than a minute ago."""
        scene.stream("a", 5 * MINUTE, MINUTE / 2)
        del scene.sockets.active["c-a"]

        assert scene.run() == {"close": 1}
        assert scene.state("a") == "closed"

    def test_disconnection_changes_nothing_after_the_sweep(self, scene: Scene) -> None:
        scene.stream("a", 3 * MINUTE, 2 * MINUTE)
        del scene.sockets.active["c-a"]
        scene.run()
        swept = scene.item("a")

        with pytest.raises(IllegalTransition, match="disconnect"):
            scene.streams.disconnect("a", NOW + MINUTE)
        assert scene.item("a") == swept

    def test_sweep_does_nothing_after_the_disconnection(self, scene: Scene) -> None:
        scene.stream("a", 3 * MINUTE, 2 * MINUTE)
        del scene.sockets.active["c-a"]
        scene.streams.disconnect("a", NOW)

        assert scene.run() == {}
        assert not scene.published


class TestOutage:
    def test_sweep_closes_nothing_in_an_outage_of_kinesis(self, scene: Scene) -> None:
        """Nothing is counted, but API Gateway knows that frames come."""
        scene.stream("a", 3 * MINUTE, 2 * MINUTE)
        scene.stream("b", 3 * MINUTE, 3 * MINUTE)
        scene.sockets.active["c-b"] = NOW - SILENT + JUST_UNDER

        assert scene.run() == {"ask": 2}
        assert scene.sockets.asked == ["c-a", "c-b"]
        assert not scene.published
        assert not scene.sockets.closed
        assert (scene.state("a"), scene.state("b")) == ("streaming", "streaming")

    def test_sweep_keeps_connections_alive_in_an_outage_of_kinesis(self, scene: Scene) -> None:
        scene.stream("a", 5 * MINUTE, 4 * MINUTE)

        assert scene.run() == {"keep alive": 1}
        assert [connection for connection, _ in scene.sockets.posted] == ["c-a"]

    def test_sweep_goes_on_after_an_error_with_one_stream(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in "abcd":
            scene.stream(name, 3 * MINUTE, 2 * MINUTE)
        scene.stream("e", 5 * MINUTE, MINUTE / 2)
        scene.sockets.active = {"c-e": NOW}
        scene.sockets.broken = {"c-a", "c-c"}

        assert scene.run() == {"close": 2, "keep alive": 1}
        states = [scene.state(name) for name in "abcde"]
        assert states == ["streaming", "closed", "streaming", "closed", "streaming"]
        told = [(r.message, r.stream_id) for r in caplog.records]  # type: ignore[attr-defined]
        message = "stream not swept: apigateway is unavailable: LimitExceededException"
        assert sorted(told) == [(message, "a"), (message, "c")]

    def test_sweep_does_the_rest_in_the_round_after_an_outage(self, scene: Scene) -> None:
        scene.stream("a", 3 * MINUTE, 2 * MINUTE)
        scene.sockets.active, scene.sockets.broken = {}, {"c-a"}
        scene.run()
        scene.sockets.broken = set()

        assert scene.run() == {"close": 1}

    def test_sweep_fails_if_the_streams_cannot_be_read(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*_: object, **__: object) -> Iterator[Item]:
            raise Unavailable("dynamodb", "InternalServerError")

        monkeypatch.setattr(scene.table, "index", down)
        with pytest.raises(Unavailable):
            scene.run()


class TestKeepAlive:
    def test_keep_alive_is_sent_at_every_interval(self, scene: Scene) -> None:
        scene.stream("a", timedelta(0), timedelta(0))
        sent_after = []
        for minute in range(20):
            now = NOW + minute * MINUTE
            scene.set("a", last_seen_at=milliseconds(now))
            before = len(scene.sockets.posted)
            scene.run(now)
            if len(scene.sockets.posted) > before:
                sent_after.append(minute)
                assert scene.item("a")["kept_alive_at"] == milliseconds(now)

        assert sent_after == [4, 8, 12, 16]

    def test_keep_alive_is_not_sent_without_an_interval(self, scene: Scene) -> None:
        scene.stream("a", 60 * MINUTE, MINUTE / 2)

        assert scene.run(keep_alive=None) == {"leave": 1}
        assert not scene.sockets.posted

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_keep_alive_is_a_mark_in_every_dialect(self, scene: Scene, dialect: str) -> None:
        scene.stream("a", 5 * MINUTE, MINUTE / 2, dialect)

        assert scene.run() == {"keep alive": 1}
        [(connection, data)] = scene.sockets.posted
        assert connection == "c-a"
        message = json.loads(data)
        assert (message["event"], message["mark"]) == ("mark", {"name": KEEP_ALIVE_MARK})
        # Twilio and SignalWire want to be told which stream is meant.
        assert message.get("streamSid") == (None if dialect == "telnyx" else "MZ-a")
        assert DIALECTS[dialect].parse_return(data) == ReturnMark(KEEP_ALIVE_MARK)

    def test_keep_alive_is_not_recorded_if_it_was_not_sent(self, scene: Scene) -> None:
        scene.stream("a", 5 * MINUTE, MINUTE / 2)
        scene.sockets.broken = {"c-a"}

        assert scene.run() == {}
        assert "kept_alive_at" not in scene.item("a")
