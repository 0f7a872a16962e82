"""Agents of routes: which relays a call gets by itself, and when it gets none."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import RelayEvent, RelayState
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started
from callstream.dialects.events import Start
from callstream.errors import ConditionFailed
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.relays.agent_claims import AgentClaims
from callstream.relays.agents import Agent, AgentDispatcher, AgentStore
from callstream.relays.model import CallCommand, Relay, RelaySpec, ReturnAudio
from callstream.relays.store import RelayStore
from callstream.relays.transcriptions import Transcriptions, TranscriptionStarter
from callstream.tenants.directory import Directory, Inbox, Tenant
from callstream.tenants.running_limits import RunningLimits
from callstream.times import milliseconds
from callstream.transcription.model import Speaker, TranscriptionSettings
from tests.starter import Starter
from tests.tables import AtomicTable
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SINCE = milliseconds(NOW) - 40
TELNYX = RelaySpec(
    surface="telnyx",
    sink="websocket",
    dialect="telnyx",
    url="wss://agent.example.com/?key=s3cret",
    track="inbound_track",
    handshake_headers={"Authorization": "Bearer s3cret"},
    parameters={"key": "s3cret"},
    return_audio=ReturnAudio(encoding="L16", sample_rate=16_000),
)
SIGNALWIRE = RelaySpec(
    surface="signalwire",
    sink="websocket",
    dialect="signalwire",
    url="wss://recorder.example.com/",
    track="both_tracks",
    name="main",
)
TRANSCRIPTION = RelaySpec(
    surface="asapp",
    sink="transcription",
    track="both_tracks",
    transcription=TranscriptionSettings(
        speakers={
            "inbound": Speaker(transcript_id="", role="customer"),
            "outbound": Speaker(transcript_id="", role="agent"),
        }
    ),
)
L16 = AudioFormat("L16", 16_000, 1)


class Meanwhile:
    """A table at which somebody else does something before the first transaction."""

    def __init__(self, table: DynamoTable, act: Callable[[], None]) -> None:
        self._table, self._act = table, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, operations: Sequence[Item]) -> None:
        act, self._act = self._act, lambda: None
        act()
        self._table.transact(operations)


class World:
    """Two tables with the tenant acme, and its calls."""

    def __init__(self) -> None:
        client = boto3.client("dynamodb")
        directory = DynamoTable(create_table(client, "DirectoryTable"))
        self.table = AtomicTable(create_table(client, "StreamsTable"))
        self.streams = StreamStore(self.table, timedelta(days=30))
        self.relays, self.store = RelayStore(self.table), AgentStore(directory)
        self.starter, self.directory = Starter(), Directory(directory)
        self.dispatcher = self.dispatcher_of(self.table)
        self.enable(enabled=True)

    def enable(self, *, enabled: bool = True, limits: RunningLimits | None = None) -> None:
        self.directory.save(
            Tenant(
                tenant_id="acme",
                name="Acme",
                project_id=uuid4(),
                callback_key_id="k",
                enabled=enabled,
                running=limits or RunningLimits(),
            )
        )

    def dispatcher_of(self, table: Any) -> AgentDispatcher:
        claims = AgentClaims(table, RelayStore(table))
        return AgentDispatcher(self.store, self.directory, claims, self.starter)

    def agent(self, agent_id: str, spec: RelaySpec = TELNYX, **place: Any) -> Agent:
        fields = {"route": "genagent"} | place
        agent = Agent(agent_id=agent_id, tenant_id="acme", spec=spec, **fields)
        self.store.create(agent)
        return agent

    def begin(self, stream_id: str, form: AudioFormat = PCMU_8K) -> tuple[StreamIdentity, Start]:
        """A stream that its call has."""
        identity = StreamIdentity(stream_id, "acme", "genagent")
        token = StreamToken("token", "acme", "genagent", "many", NOW)
        start = Start(1, f"MZ-{stream_id}", "CA1", "AC1", ("inbound",), form)
        self.streams.open(identity, token, f"connection-of-{stream_id}", NOW)
        self.streams.start(stream_id, Started("twilio", start), NOW)
        return identity, start

    def dispatch(self, stream_id: str, form: AudioFormat = PCMU_8K) -> None:
        self.dispatcher.dispatch(*self.arguments(stream_id, form))

    def arguments(self, stream_id: str, form: AudioFormat = PCMU_8K) -> tuple[Any, ...]:
        identity, start = self.begin(stream_id, form)
        return identity, "", start, SINCE, NOW

    def dispatch_late(self, mine: tuple[Any, ...], meanwhile: tuple[Any, ...]) -> None:
        """Dispatch agents for `mine`, and for `meanwhile` between its reads and its write."""
        table = Meanwhile(self.table, lambda: self.dispatcher.dispatch(*meanwhile))
        self.dispatcher_of(table).dispatch(*mine)

    def on_the_call(self) -> list[Relay]:
        return self.relays.relays("acme", "CA1")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield World()


class TestAgentStore:
    def test_store_returns_agents_as_they_were_created(self, world: World) -> None:
        agent = world.agent("a")

        assert world.store.all("acme") == [agent]
        assert world.store.of_route("acme", "genagent") == [agent]
        assert world.store.of_route("acme", "autotranscribe") == []
        world.store.delete(agent)
        assert world.store.all("acme") == []

    def test_store_finds_the_agents_of_an_inbox(self, world: World) -> None:
        for inbox in ("one", "one#two"):
            world.directory.save(Inbox(tenant_id="acme", external_id=inbox))
            world.agent(f"a-{len(inbox)}", route="inbox", inbox=inbox)

        assert [each.inbox for each in world.store.of_route("acme", "inbox", "one")] == ["one"]

    @pytest.mark.parametrize(
        ("changes", "operation"),
        [
            ({}, 0),
            ({"tenant_id": "nobody"}, 1),
            ({"agent_id": "b", "route": "inbox", "inbox": "nowhere"}, 2),
        ],
    )
    def test_store_refuses_agents_without_an_owner(
        self, world: World, changes: dict[str, str], operation: int
    ) -> None:
        agent = world.agent("a").model_copy(update=changes)

        with pytest.raises(ConditionFailed) as failed:
            world.store.create(agent)
        assert failed.value.operation == operation

    def test_repr_of_an_agent_shows_no_secrets(self, world: World) -> None:
        assert "s3cret" not in repr(world.agent("a"))

    def test_directory_entries_leave_agents_out(self, world: World) -> None:
        world.agent("a")

        assert [type(entry) for entry in world.directory.entries()] == [Tenant]


class TestAgentDispatcher:
    @pytest.mark.parametrize(
        ("dialect", "form"),
        [
            ("telnyx", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
            ("signalwire", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
            ("twilio", "MZ[0-9a-f]{32}"),
        ],
    )
    def test_id_of_an_agents_relay_has_its_dialects_form(
        self, world: World, dialect: Any, form: str
    ) -> None:
        spec = TELNYX.model_copy(update={"surface": dialect, "dialect": dialect})
        world.agent("a", spec)
        world.dispatch("stream-1")

        [relay] = world.on_the_call()
        assert re.fullmatch(form, relay.relay_id)

    def test_dispatch_starts_every_agent_of_the_route(self, world: World) -> None:
        agents = [world.agent("a"), world.agent("b", SIGNALWIRE)]
        world.agent("c", route="autotranscribe")
        world.dispatch("stream-1")

        made = {each.surface: each for each in world.on_the_call()}
        started = [("start", each.relay_id, None) for each in made.values()]
        assert sorted(world.starter.asked) == sorted(started)
        for agent in agents:
            # As if a command had been given.
            relay = made[agent.spec.surface]
            command = CallCommand("acme", "CA1", NOW)
            assert relay == Relay.of(agent.spec, relay.relay_id, command)

    def test_dispatch_makes_one_relay_for_a_repeated_start(self, world: World) -> None:
        world.agent("a", SIGNALWIRE)
        arguments = world.arguments("stream-1")
        for _ in range(2):
            world.dispatcher.dispatch(*arguments)

        assert len(world.on_the_call()) == len(world.starter.asked) == 1

    def test_dispatch_makes_one_relay_for_many_streams_at_once(self, world: World) -> None:
        world.agent("a")
        arguments = [world.arguments(f"stream-{number}") for number in range(4)]
        together = Barrier(len(arguments))

        def join(mine: tuple[Any, ...]) -> None:
            together.wait()
            world.dispatcher.dispatch(*mine)

        with ThreadPoolExecutor() as pool:
            list(pool.map(join, arguments))
        assert len(world.on_the_call()) == len(world.starter.asked) == 1

    @pytest.mark.parametrize("had_ended", [False, True])
    def test_dispatch_makes_one_relay_if_another_stream_starts_meanwhile(
        self, world: World, *, had_ended: bool
    ) -> None:
        world.agent("a")
        if had_ended:
            world.dispatch("stream-0")
            world.streams.disconnect("stream-0", NOW)
            [relay] = world.on_the_call()
            world.relays.advance(relay, RelayEvent.STOP, NOW)
        mine, others = world.arguments("stream-1"), world.arguments("stream-2")
        world.dispatch_late(mine, others)

        assert [each.state for each in world.on_the_call()].count(RelayState.REQUESTED) == 1
        assert len(world.starter.asked) == 1 + had_ended

    def test_dispatch_makes_no_relay_for_a_second_stream_of_the_call(self, world: World) -> None:
        world.agent("a")
        world.dispatch("stream-1")
        world.dispatch("stream-2")

        assert len(world.on_the_call()) == 1

    def test_dispatch_makes_no_relay_while_another_stream_shares_the_first(
        self, world: World
    ) -> None:
        world.agent("a")
        world.dispatch("stream-1")
        arguments = world.arguments("stream-2")
        world.dispatch("stream-3")
        world.streams.disconnect("stream-1", NOW)
        world.dispatcher.dispatch(*arguments)

        assert len(world.on_the_call()) == 1

    def test_dispatch_makes_a_new_relay_after_all_streams_have_ended(self, world: World) -> None:
        world.agent("a", SIGNALWIRE)
        world.dispatch("stream-1")
        world.streams.disconnect("stream-1", NOW)
        # The first relay has not noticed yet, and has the name.
        world.dispatch("stream-2")

        assert sorted((each.state, each.name) for each in world.on_the_call()) == [
            ("requested", "main"),
            ("stopped", "main"),
        ]
        assert len(world.starter.asked) == 2

    def test_dispatch_leaves_out_a_name_that_is_taken(self, world: World) -> None:
        world.agent("a", SIGNALWIRE)
        arguments = world.arguments("stream-1")
        command = CallCommand("acme", "CA1", NOW)
        world.relays.start(Relay.of(SIGNALWIRE, "of-a-command", command), command)
        world.dispatcher.dispatch(*arguments)

        names = {each.relay_id: each.name for each in world.on_the_call()}
        assert names.pop("of-a-command") == "main"
        assert list(names.values()) == [None]
        assert len(world.starter.asked) == 1

    def test_dispatch_makes_no_relay_for_a_disabled_tenant(self, world: World) -> None:
        world.agent("a")
        world.enable(enabled=False)
        world.dispatch("stream-1")

        assert world.on_the_call() == []

    def test_dispatch_makes_no_relay_for_an_ended_call(self, world: World) -> None:
        world.agent("a")
        arguments = world.arguments("stream-1")
        world.streams.disconnect("stream-1", NOW)
        world.dispatcher.dispatch(*arguments)

        assert world.on_the_call() == []

    def test_relay_that_could_not_be_started_stays_requested(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        for agent_id in ("a", "b", "c"):
            world.agent(agent_id)
        world.starter.down = True
        world.dispatch("stream-1")

        relays = world.on_the_call()
        assert [each.state for each in relays] == ["requested"] * 3
        # The carrier waits meanwhile.
        assert world.starter.tries == 1
        told = [record.relay_id for record in caplog.records if record.levelname == "ERROR"]  # type: ignore[attr-defined]
        assert sorted(told) == sorted(each.relay_id for each in relays)
        assert "s3cret" not in caplog.text

    def test_agent_without_room_is_left_out_with_a_line_in_the_log(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.enable(limits=RunningLimits(active_relays_of_call=2))
        for agent_id in ("a", "b", "c"):
            world.agent(agent_id)
        world.dispatch("stream-1")

        assert len(world.on_the_call()) == len(world.starter.asked) == 2
        [line] = [each for each in caplog.records if each.levelname == "WARNING"]
        assert line.getMessage() == "no room for an agent: active_relays_of_call: 2"

    def test_stopped_agent_does_not_come_back(self, world: World) -> None:
        world.agent("a")
        world.dispatch("stream-1")
        world.relays.stop(CallCommand("acme", "CA1", NOW), "telnyx")
        world.dispatch("stream-2")

        assert [each.state for each in world.on_the_call()] == ["stopped"]

    def test_claim_expires_with_the_call(self, world: World) -> None:
        world.agent("a")
        world.dispatch("stream-1")

        call = world.table.get(call_key("acme", "CA1"))
        note = world.table.get(call_key("acme", "CA1") | {"sk": "AGENT#a"})
        assert call is not None
        assert note is not None
        assert note["expires_at"] == call["expires_at"]

    def test_transcription_has_the_call_from_its_beginning(self, world: World) -> None:
        world.agent("a", TRANSCRIPTION)
        world.dispatch("stream-1")

        [relay] = world.on_the_call()
        assert world.starter.asked == [("start", relay.relay_id, None)]
        assert relay.since == SINCE
        assert relay.transcription is not None
        speakers = relay.transcription.speakers
        ids = {speaker.role: speaker.transcript_id for speaker in speakers.values()}
        assert len({*ids.values(), ""}) == 3
        # As if a command had come, so that commands stop and resume it.
        known = Transcriptions(world.table).get("acme", "CA1")
        assert known is not None
        assert (known.is_on, known.relay_id, known.stream_ids) == (True, relay.relay_id, ids)

    def test_call_has_one_transcription(self, world: World) -> None:
        world.agent("a", TRANSCRIPTION)
        world.agent("b", TRANSCRIPTION)
        world.dispatch("stream-1")
        starter = TranscriptionStarter(world.table, world.relays, world.starter)

        command = CallCommand("acme", "CA1", NOW + timedelta(seconds=1))
        found = starter.start(TRANSCRIPTION, command)

        [relay] = world.on_the_call()
        assert found.relay_id == relay.relay_id

    @pytest.mark.parametrize("comes", ["before", "waiting"])
    def test_transcription_by_command_is_the_only_one(self, world: World, comes: str) -> None:
        world.agent("a", TRANSCRIPTION)
        arguments = world.arguments("stream-1") if comes == "before" else None
        starter = TranscriptionStarter(world.table, world.relays, world.starter)
        starter.start(TRANSCRIPTION, CallCommand("acme", "CA1", NOW))

        world.dispatcher.dispatch(*(arguments or world.arguments("stream-1")))

        assert len(world.on_the_call()) == (comes == "before")

    def test_transcription_goes_on_in_the_same_transcripts_when_the_call_comes_back(
        self, world: World
    ) -> None:
        world.agent("a", TRANSCRIPTION)
        world.dispatch("stream-1")
        world.streams.disconnect("stream-1", NOW)
        world.dispatch("stream-2")

        first, second = world.on_the_call()
        assert {first.state, second.state} == {RelayState.REQUESTED, RelayState.STOPPED}
        assert first.transcription == second.transcription
        known = Transcriptions(world.table).get("acme", "CA1")
        assert known is not None
        assert known.relay_id in {
            each.relay_id for each in (first, second) if each.state is RelayState.REQUESTED
        }

    def test_transcription_that_a_command_has_stopped_does_not_come_back(
        self, world: World
    ) -> None:
        world.agent("a", TRANSCRIPTION)
        world.dispatch("stream-1")
        known = Transcriptions(world.table).get("acme", "CA1")
        assert known is not None
        Transcriptions(world.table).stop("acme", "CA1", known, NOW)
        world.streams.disconnect("stream-1", NOW)

        world.dispatch("stream-2")

        assert len(world.on_the_call()) == 1
