"""Custom parameters of carriers: what is kept of them, and that every fork's start has them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.custom_parameters import MOST_BYTES, merged, parameters_key
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started, stream_key
from callstream.dialects import DIALECTS
from callstream.dialects.events import Start
from callstream.identity import StreamIdentity, StreamToken
from callstream.relays.sinks.fork import ForkCounters
from callstream.relays.sinks.websocket import RelayForks
from callstream.tenants.directory import Directory
from tests.relays import make_relay
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CARRIERS = {"lang": "en", "asapp_callTransferId": "transfer-1"}


@dataclass
class World:
    """The tables, with the call `CA1` of the tenant acme."""

    table: DynamoTable
    directory: Directory
    streams: StreamStore

    def begin(self, stream_id: str, parameters: dict[str, str], dialect: str = "twilio") -> None:
        """Let a carrier start a stream of the call, in its own words."""
        start = Start(1, f"MZ-{stream_id}", "CA1", "AC1", ("inbound",), PCMU_8K, parameters)
        text = DIALECTS[dialect].render(start, start.carrier_stream_id)
        read = DIALECTS[dialect].parse(text)
        assert isinstance(read, Start)
        number = int(stream_id.removeprefix("s"))
        at = NOW + timedelta(seconds=number)
        token = StreamToken("token", "acme", "genagent", "many", NOW)
        identity = StreamIdentity(stream_id, "acme", "genagent")
        self.streams.open(identity, token, f"connection-{stream_id}", at)
        self.streams.start(stream_id, Started(dialect, read), at)

    def forks_start(
        self, dialect: str = "telnyx", counters: ForkCounters | None = None, **spec: Any
    ) -> dict[str, Any]:
        """The parameters in the start message of a fork's run that begins now."""
        relay = make_relay(dialect=dialect, **spec)
        forks = RelayForks(relay, self.streams, self.directory)
        [_, text] = forks.make(self.streams.open_streams("acme", "CA1"), counters).open()
        start = DIALECTS[dialect].parse(text)
        assert isinstance(start, Start)
        return start.parameters


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("dynamodb")
        table = DynamoTable(create_table(client, "StreamsTable"))
        directory = Directory(DynamoTable(create_table(client, "DirectoryTable")))
        yield World(table, directory, StreamStore(table, timedelta(days=30)))


@pytest.mark.parametrize("fork", DIALECTS)
@pytest.mark.parametrize("carrier", DIALECTS)
def test_a_carriers_parameters_reach_forks_in_every_dialect_beside_the_relays_own(
    world: World, carrier: str, fork: str
) -> None:
    world.begin("s1", CARRIERS, carrier)

    assert world.forks_start(fork) == CARRIERS
    # As after a hand-over.
    assert world.forks_start(fork, ForkCounters(sequence=700)) == CARRIERS
    own = {"lang": "de", "taskName": "greet"}
    assert world.forks_start(fork, parameters=own) == CARRIERS | own


def test_a_later_stream_of_the_call_wins_and_a_closed_stream_is_forgotten(world: World) -> None:
    world.begin("s1", {"only-in": "s1", "both": "s1"})
    world.begin("s2", {"both": "s2"})
    assert world.forks_start() == {"only-in": "s1", "both": "s2"}

    world.streams.disconnect("s1", NOW)
    assert world.forks_start() == {"both": "s2"}


def test_parameters_that_dynamodb_would_refuse_as_names_are_kept(world: World) -> None:
    odd = {"": "empty", "n" * 70_000: "long", "pk": "STREAM#s2"}
    world.begin("s1", odd)

    assert world.forks_start() == odd


def test_parameters_expire_with_their_stream_and_are_not_in_its_item(world: World) -> None:
    world.begin("s1", CARRIERS)
    world.begin("s2", {})

    stream, kept = world.table.get(stream_key("s1")), world.table.get(parameters_key("s1"))
    assert stream is not None
    assert kept is not None
    assert kept["expires_at"] == stream["expires_at"]
    assert "transfer-1" not in str(stream)
    assert world.table.get(parameters_key("s2")) is None


def test_parameters_without_room_are_counted_in_the_log_and_not_shown(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.begin("s1", {"secret-name": "s3cret" * 20_000})
    world.begin("s2", {"big": "x" * 100_000})

    assert world.forks_start().keys() == {"big"}
    [line] = caplog.messages
    assert line == "custom parameters left out: 1 have no room"


def test_merged_parameters_fit_into_one_start_message() -> None:
    many = [{f"{stream}-{number}": "é" * 1000 for number in range(20)} for stream in range(10)]

    found, left_out = merged(many)

    assert len(found) + left_out == 200
    assert len(json.dumps(found, ensure_ascii=False).encode()) < MOST_BYTES * 1.1
    assert sum(len((name + value).encode()) for name, value in found.items()) > MOST_BYTES * 0.95
    assert merged([]) == ({}, 0)
