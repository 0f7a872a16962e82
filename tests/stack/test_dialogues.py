"""Dialogues on the deployed stack: Telnyx's SDK lets a stand-in for Dialogflow talk on calls."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, override
from uuid import uuid4

import audioop
import grpc
import pytest
from telnyx import Telnyx

from callstream.dialects.events import Mark, Media
from callstream_cli.carrier.playback import Playback
from callstream_cli.dialogflow.agent import Answer, Input
from callstream_cli.dialogflow.faults import Fault
from callstream_cli.dialogflow.script import Speech
from callstream_cli.dialogflow.watching import Nobody
from tests.dialogflow import fake_dialogflow
from tests.service_accounts import key_file
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.faults import kill_workers, names_of
from tests.stack.live import FRAME, FRAME_SECONDS, LiveCall, play
from tests.stack.test_callbacks import JsonServer, tenant_server
from tests.stack.test_operator import Operator, operator
from tests.tones import speech

__all__ = ["operator", "tenant_server"]

FUNCTION = "DialogflowFunction"
# Of the person's audio; fewer messages than a carrier sends, since several calls go on at once.
PIECE, PIECE_SECONDS = 3 * FRAME, 3 * FRAME_SECONDS

SILENCE = "sys.no-input-default"
ACCOUNT = "AC"
"""The carrier's account of every `LiveCall`, which its connection is found by."""
LAW = {"PCMU": (audioop.lin2ulaw, b"\xff"), "PCMA": (audioop.lin2alaw, b"\xd5")}


class Person(LiveCall):
    """A person on the phone, who is silent, or says words of `tests.tones`, and hears replies."""

    def __init__(self, stack: DeployedStack, dialect: str, codec: str) -> None:
        super().__init__(stack, f"v3:{uuid4()}", dialect, codec)
        self._encode, self._silence = LAW[codec]
        self._words = b""
        self.playback = Playback(format_=self.format)

    @asynccontextmanager
    async def on_the_phone(self) -> AsyncIterator[None]:
        """The call, as long as the person stays."""
        async with self.going_on(), asyncio.TaskGroup() as tasks:
            tasks_ = [tasks.create_task(each) for each in (self._receive(), self._return_marks())]
            yield
            for each in tasks_:
                each.cancel()

    def says(self, words: str) -> None:
        """Say words, and then nothing."""
        self._words += self._encode(speech(words), 2)

    def recording(self, name: str) -> bytes:
        """A part of a reply in the call's codec."""
        return self._encode(audioop.ulaw2lin(Speech(name).audio, 2), 2)

    async def hears(self, name: str) -> None:
        """Wait until a part of a reply has come."""
        recording = self.recording(name)
        await self.until(lambda: recording in self.playback.received)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not is_so():  # noqa: ASYNC110  # what it waits for knows of no event
            await asyncio.sleep(FRAME_SECONDS)

    @override
    async def _talk(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while not self._hung_up:
            number = len(self._frames)
            await asyncio.sleep(began + number * PIECE_SECONDS - clock())
            self._frames.append(self._words[:PIECE].ljust(PIECE, self._silence))
            self._words = self._words[PIECE:]
            at_ms = round(number * PIECE_SECONDS * 1000)
            await self.say(Media(self._number(), "inbound", number + 1, at_ms, self._frames[-1]))

    async def _receive(self) -> None:
        while True:
            self.playback.take(await self.told(), time.monotonic())

    async def _return_marks(self) -> None:
        while True:
            for name in self.playback.due(time.monotonic()):
                await self.say(Mark(self._number(), name))
            await asyncio.sleep(FRAME_SECONDS)


class Agent(Nobody):
    """The stand-in, and what it has understood."""

    def __init__(self) -> None:
        self.inputs: dict[str, list[Input]] = {}
        self.fake = fake_dialogflow(watcher=self)

    def heard(self) -> list[list[str]]:
        """What each conversation has understood, in order, but for silence on a busy machine."""
        heard = ([said.event or said.text for said in inputs] for inputs in self.inputs.values())
        return [[each for each in inputs if each != SILENCE] for inputs in heard]

    @override
    def answered(self, conversation: str, said: Input, answer: Answer) -> None:
        self.inputs.setdefault(conversation, []).append(said)


@pytest.fixture
def agent(stack: DeployedStack) -> Iterator[Agent]:
    """The agent of the demo tenant, as its connection finds it."""
    agent = Agent()
    with agent.fake, function_with(stack, CALLSTREAM_DIALOGFLOW_ENDPOINT=agent.fake.address):
        yield agent


@contextmanager
def function_with(stack: DeployedStack, timeout: int = 900, **variables: str) -> Iterator[None]:
    """Give the function of dialogues other variables, or less time."""
    client = stack.client("lambda")
    [name] = names_of(stack, FUNCTION)
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": before | variables}, Timeout=timeout
    )
    try:
        yield
    finally:
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": before}, Timeout=900
        )


@pytest.fixture
def client(stack: DeployedStack) -> Iterator[Telnyx]:
    """Telnyx's SDK, which has stored the demo tenant's connection."""
    key = str(stack.description["credentials"]["telnyx"]["api_key"])
    with Telnyx(
        api_key=key, base_url=f"{stack.description['rest']['telnyx']}/v2", max_retries=0
    ) as client:
        client.dialogflow_connections.create(
            ACCOUNT,
            service_account=key_file(),
            dialogflow_api="cx",
            conversation_profile_id="demo",
            location="global",
        )
        yield client
        client.dialogflow_connections.delete(ACCOUNT)


def relays(stack: DeployedStack, call_id: str) -> dict[str, dict[str, Any]]:
    """The relays of a call, by their sinks."""
    found = stack.table("streams").query(
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": f"CALL#demo#{call_id}", ":sk": "RELAY#"},
    )["Items"]
    return {item["sink"]: item for item in found}


async def state(stack: DeployedStack, call_id: str, sink: str, wanted: str) -> dict[str, Any]:
    """Wait until a call's relay is in a state."""

    def look() -> dict[str, Any] | None:
        found = relays(stack, call_id)[sink]
        return found if found["state"] == wanted else None

    return await asyncio.to_thread(eventually, look)


async def start(client: Telnyx, person: Person, **fields: Any) -> None:
    """Let the agent talk on a call."""
    await asyncio.to_thread(
        client.calls.actions.start_streaming, person.id, enable_dialogflow=True, **fields
    )


EVENTS = [
    ("streaming.started", ""),
    ("call.transcription", "address please"),
    ("dialogflow.detectintent.response", "address please"),
    ("call.transcription", "thanks goodbye"),
    ("dialogflow.detectintent.response", "thanks goodbye"),
    ("dialogflow.ended", "end_interaction"),
    ("streaming.stopped", ""),
]
"""What the tenant learns of such a call: events, with what the caller has said, or the reason.

Replies to nothing that was said are left out: the greeting, and questions after a silence."""


def test_call_of_each_carrier_hears_the_agent_and_may_interrupt(
    stack: DeployedStack,
    client: Telnyx,
    agent: Agent,
    operator: Operator,
    tenant_server: JsonServer,
) -> None:
    hook = f"{tenant_server.origin}/up"
    operator("webhooks", "set", "demo", "telnyx", hook, "--dialogue-events")
    people = [
        Person(stack, dialect, codec)
        for dialect, codec in (("twilio", "PCMU"), ("telnyx", "PCMA"), ("signalwire", "PCMU"))
    ]

    async def talk(person: Person) -> None:
        async with person.on_the_phone():
            await start(client, person)
            await person.hears("welcome")
            person.says("address please")
            await person.until(lambda: beginning(person) in person.playback.received)
            person.says("thanks goodbye")
            await person.hears("goodbye")
            await state(stack, person.id, "dialogflow", "stopped")

    def beginning(person: Person) -> bytes:
        return person.recording("address")[: 25 * FRAME]

    async def act() -> None:
        async with asyncio.TaskGroup() as tasks:
            for person in people:
                tasks.create_task(talk(person))

    play(act)
    assert agent.heard() == 3 * [["WELCOME", "address please", "thanks goodbye"]]
    for person in people:
        assert person.playback.clears > 0
        assert person.recording("address") not in person.playback.received
    eventually(lambda: all(tenant_server.of(each.id)[-1:] == EVENTS[-1:] for each in people))
    for person in people:
        learnt = tenant_server.of(person.id)
        assert [
            each for each in learnt if each != ("dialogflow.detectintent.response", "")
        ] == EVENTS
    operator("webhooks", "clear", "demo", "telnyx")
    assert len(agent.fake.of("CompleteConversation")) == 3


def test_no_turn_is_lost_by_hand_overs_and_a_killed_function(
    stack: DeployedStack, client: Telnyx, agent: Agent
) -> None:
    person = Person(stack, "twilio", "PCMU")
    [function] = names_of(stack, FUNCTION)

    async def act() -> None:
        async with person.on_the_phone():
            await start(client, person)
            await person.hears("welcome")
            person.says("address please")
            await asyncio.to_thread(eventually, has_been_handed_over)
            await person.hears("address")
            person.says("thanks goodbye")
            await person.frames(5)  # in mid-sentence
            assert await asyncio.to_thread(kill_workers, stack, function) > 0
            await person.hears("goodbye")
            relay = await state(stack, person.id, "dialogflow", "stopped")
            assert relay["rescues"] >= 1

    def has_been_handed_over() -> bool | None:
        relay = relays(stack, person.id)["dialogflow"]
        is_by_offer = relay.get("successor_run_id") == relay["owner_run_id"]
        return is_by_offer or None

    # Each run hands over after 4 s.
    with function_with(stack, timeout=64):
        play(act)
    assert agent.heard() == [["WELCOME", "address please", "thanks goodbye"]]
    received = person.playback.received
    for name in ("welcome", "address", "goodbye"):
        assert received.count(person.recording(name)) == 1


def test_stream_and_dialogue_of_one_command_fail_alone(
    stack: DeployedStack,
    client: Telnyx,
    agent: Agent,
    *,
    operator: Operator,
    tenant_server: JsonServer,
    consumer_url: str,
) -> None:
    unreachable = Person(stack, "telnyx", "PCMU")
    refused = Person(stack, "telnyx", "PCMU")
    operator("webhooks", "set", "demo", "telnyx", f"{tenant_server.origin}/up")

    async def act() -> None:
        async with unreachable.on_the_phone(), refused.on_the_phone():
            await start(client, unreachable, stream_url="wss://127.0.0.1:1999/")
            await state(stack, unreachable.id, "websocket", "failed")
            await unreachable.until(lambda: len(unreachable.playback.received) > 0)

            denied = Fault(method="CreateConversation", status=grpc.StatusCode.PERMISSION_DENIED)
            agent.fake.misbehave(denied)
            await start(client, refused, stream_url=consumer_url)
            await state(stack, refused.id, "dialogflow", "failed")
            await state(stack, refused.id, "websocket", "streaming")

            for person, sink in ((unreachable, "dialogflow"), (refused, "websocket")):
                await asyncio.to_thread(client.calls.actions.stop_streaming, person.id)
                await state(stack, person.id, sink, "stopped")

    play(act)

    def failures() -> set[tuple[str, str]]:
        events = [event["data"] for _, event in tenant_server.got]
        return {
            (each["payload"]["call_control_id"], each["payload"]["stream_type"])
            for each in events
            if each["event_type"] == "streaming.failed"
        }

    eventually(lambda: len(failures()) == 2)
    operator("webhooks", "clear", "demo", "telnyx")
    assert failures() == {(unreachable.id, "websocket"), (refused.id, "dialogflow")}
