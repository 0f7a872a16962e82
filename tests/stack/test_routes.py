"""Agents of routes on the deployed stack: a URL leads to a conversation without a command."""

import asyncio
import json
from collections.abc import Callable, Iterator
from random import Random

import pytest

from callstream.dialects.events import ReturnMedia
from callstream_cli.listener.fork import Fork
from callstream_cli.listener.server import Listener
from tests.stack.conftest import DeployedStack
from tests.stack.live import FRAME, LiveCall, heard, play, relays
from tests.stack.test_operator import type_in

INBOX = "inbox-of-agents"

type AddAgent = Callable[..., None]


@pytest.fixture
def add_agent(stack: DeployedStack) -> Iterator[AddAgent]:
    """Gives the demo tenant an agent, for the time of a test, as an operator does."""
    agents: list[str] = []

    def add(*arguments: str, given: str = "") -> None:
        done = type_in(stack, "agents", "add", "demo", *arguments, "--json", given=given)
        assert (done.returncode, done.stderr) == (0, "")
        agents.append(json.loads(done.stdout)["agent_id"])

    yield add
    for agent in agents:
        assert type_in(stack, "agents", "remove", "demo", agent, "--yes").returncode == 0


def connect_url(stack: DeployedStack) -> str:
    """What Clerk Chat's client gets for the inbox."""
    key = str(stack.description["credentials"]["clerk"]["api_key"])
    headers = {"apiKey": key, "Content-Type": "application/json"}
    body = json.dumps({"inboxExternalId": INBOX, "direction": "inbound"}).encode()
    answer = stack.request("clerk", "POST", "/public/twilio-connector/connect", headers, body)
    assert answer.status == 200, answer.body
    return str(answer.body["data"]["connectUrl"])


async def assert_talk(call: LiveCall, fork: Fork) -> None:
    """Who is behind a fork hears the caller, and the caller hears who is there."""
    await heard(fork, 25)
    answer = Random(1).randbytes(FRAME)  # noqa: S311  # it must repeat
    await fork.send_event(ReturnMedia(answer))
    assert call.socket is not None
    assert call.dialect.parse_return(await call.socket.recv()) == ReturnMedia(answer)


def test_inbox_forks_its_calls_to_its_agents(stack: DeployedStack, add_agent: AddAgent) -> None:
    async def act() -> None:
        parameters = {"asapp_callTransferId": "transfer-1", "lang": "de"}
        call = LiveCall(stack, "CA-of-an-inbox", parameters=parameters)
        async with Listener() as agent, Listener(tls=True) as second:
            done = await asyncio.to_thread(type_in, stack, "inboxes", "create", "demo", INBOX)
            assert done.returncode == 0, done.stderr
            secrets = ["--auth-token", "-", "--parameter", "key=-", "--parameter", "lang=en"]
            await asyncio.to_thread(
                add_agent,
                *("-", "--inbox", INBOX, "--dialect", "telnyx", *secrets),
                given=f"{agent.url}\nthe-token\nthe-key\n",
            )
            await asyncio.to_thread(
                add_agent, second.url, "--inbox", INBOX, "--dialect", "signalwire"
            )
            call._url = await asyncio.to_thread(connect_url, stack)
            async with call.going_on():
                fork, other = await agent.fork(0), await second.fork(0)
                await assert_talk(call, fork)
                await heard(other, 25)
            await fork.until_ended()
            await other.until_ended()

        assert (fork.state.dialect, other.state.dialect) == ("telnyx", "signalwire")
        assert fork.state.start is not None
        assert fork.state.start.parameters == parameters | {"key": "the-key", "lang": "en"}
        assert other.state.start is not None
        assert other.state.start.parameters == parameters
        token = fork.state.handshake.headers["x-telnyx-streaming-auth-token"]
        assert token == "the-token"
        for each in (fork, other):
            assert each.state.faults == {}
            assert call.audio.endswith(each.state.audio("inbound"))
        assert set(relays(stack, call.id)) == {agent.url, second.url}

    play(act)


def test_genagent_forks_its_calls_to_its_agent(stack: DeployedStack, add_agent: AddAgent) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-of-genagent")
        async with Listener(tls=True) as agent:
            await asyncio.to_thread(
                add_agent, agent.url, "--route", "genagent", "--dialect", "signalwire"
            )
            async with call.going_on():
                fork = await agent.fork(0)
                await assert_talk(call, fork)
            await fork.until_ended()
        assert fork.state.dialect == "signalwire"
        assert fork.state.audio("inbound") in call.audio

    play(act)
