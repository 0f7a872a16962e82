"""Forks of a live call, on the deployed stack: commands in, audio out at the consumers."""

import asyncio
import json
import math
from base64 import b64encode
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from websockets.asyncio.client import ClientConnection, connect

from callstream.dialects import DIALECTS
from callstream.dialects.events import PCMU_8K, Media, ReturnMark, ReturnMedia, Start, Stop
from callstream_cli.gateway import media_url
from callstream_cli.listener.behaviour import DROPPED, Behaviour
from callstream_cli.listener.server import Fork, Listener
from callstream_cli.local.process import free_port
from tests.stack.conftest import PATIENCE, DeployedStack, eventually
from tests.stack.faults import kill_workers, names_of

FRAME = 160
FRAME_SECONDS = 0.02
SHUFFLED = 5


class LiveCall:
    """A call whose audio goes on, shuffled, until it is told to end."""

    def __init__(self, stack: DeployedStack, call_id: str, dialect: str = "twilio") -> None:
        self.id, self.dialect = call_id, DIALECTS[dialect]
        self._table = stack.table("streams")
        self._random = Random(call_id)  # noqa: S311  # it must repeat
        self._url = media_url(stack.description, "genagent")
        self._frames: list[bytes] = []
        self._hung_up = False
        self.socket: ClientConnection | None = None

    @property
    def audio(self) -> bytes:
        """All that was sent."""
        return b"".join(self._frames)

    @asynccontextmanager
    async def going_on(self) -> Any:
        """The call, with its audio in real time."""
        async with connect(self._url, proxy=None, compression=None) as self.socket:
            await self._say(Start(1, "MZ1", self.id, "AC", ("inbound",), PCMU_8K))
            await asyncio.to_thread(eventually, self._is_known)
            talking = asyncio.create_task(self._talk())
            try:
                yield self
            finally:
                self._hung_up = True
                await talking
            await self._say(Stop(len(self._frames) + 2, self.id, "AC"))

    def _is_known(self) -> bool:
        key = {"pk": f"CALL#demo#{self.id}", "sk": "CALL"}
        return "Item" in self._table.get_item(Key=key)

    async def frames(self, more: int) -> None:
        """Wait until so many more frames have been sent."""
        target = len(self._frames) + more
        while len(self._frames) < target:  # noqa: ASYNC110  # what it waits for knows of no event
            await asyncio.sleep(FRAME_SECONDS)

    async def _talk(self) -> None:
        while not self._hung_up:
            batch = [self._next() for _ in range(SHUFFLED)]
            self._random.shuffle(batch)
            for media in batch:
                await self._say(media)
                await asyncio.sleep(FRAME_SECONDS)

    def _next(self) -> Media:
        number = len(self._frames)
        self._frames.append(self._random.randbytes(FRAME))
        return Media(number + 2, "inbound", number + 1, number * 20, self._frames[-1])

    async def _say(self, event: Any) -> None:
        assert self.socket is not None
        await self.socket.send(self.dialect.render(event, "MZ1"))


def telnyx(stack: DeployedStack, call_id: str, action: str, **body: Any) -> None:
    """Give one of Telnyx's commands."""
    path = f"/v2/calls/{quote(call_id, safe='')}/actions/{action}"
    key = stack.description["credentials"]["telnyx"]["api_key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = stack.request("telnyx", "POST", path, headers, json.dumps(body).encode())
    assert answer.status == 200, answer.body


def signalwire(stack: DeployedStack, call_id: str, **fields: str) -> str:
    """Create a stream as SignalWire documents it; its Sid."""
    credentials = stack.description["credentials"]["signalwire"]
    project, token = str(credentials["project_id"]), str(credentials["api_token"])
    path = f"/api/laml/2010-04-01/Accounts/{project}/Calls/{quote(call_id, safe='')}/Streams"
    answer = stack.request(
        "signalwire", "POST", path, basic(project, token), urlencode(fields).encode()
    )
    assert answer.status == 200, answer.body
    return str(answer.body["sid"])


def basic(user: str, password: str) -> dict[str, str]:
    return {
        "Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def relays(stack: DeployedStack, call_id: str) -> dict[str, dict[str, Any]]:
    """The relays of a call, by their URL."""
    found = stack.table("streams").query(
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": f"CALL#demo#{call_id}", ":sk": "RELAY#"},
    )["Items"]
    return {item["url"]: item for item in found}


def play(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def with_patience() -> None:
        async with asyncio.timeout(3 * PATIENCE):
            await act()

    asyncio.run(with_patience())


async def heard(fork: Fork, frames: int) -> None:
    """Wait until a fork has so many frames."""
    await fork.until(lambda hearing: len(hearing.audio("inbound")) >= frames * FRAME)


def since_it_joined(fork: Fork) -> bytes:
    """A fork's audio, without those first frames of which some had come before it joined."""
    return fork.hearing.audio("inbound")[SHUFFLED * FRAME :]


def test_one_call_three_consumers_one_of_them_stalls_and_one_dies(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-forked")
        async with (
            Listener() as good,
            Listener(tls=True) as secure,
            Listener(Behaviour(stall=math.inf)) as stalled,
        ):
            async with call.going_on():
                await call.frames(20)
                for url in (good.url, stalled.url):
                    await asyncio.to_thread(
                        telnyx, stack, call.id, "streaming_start", stream_url=url
                    )
                fields = {"Url": secure.url, "Track": "inbound_track", "Name": "main"}
                await asyncio.to_thread(signalwire, stack, call.id, **fields)
                one, two, other = await good.fork(0), await secure.fork(0), await stalled.fork(0)
                await heard(one, 50)
                await heard(two, 50)
                # One dies; the others do not notice.
                await two.close(DROPPED)
                await heard(one, 100)
                other.resume()
                await heard(other, 20)
            await one.until_ended()
            await other.until_ended()

        assert [fork.hearing.dialect for fork in (one, two)] == ["telnyx", "signalwire"]
        for fork in (one, two):
            assert since_it_joined(fork) in call.audio
            assert fork.hearing.faults == {}
        # To the last frame.
        assert call.audio.endswith(since_it_joined(one))
        assert one.hearing.stop is not None

        def over() -> bool:
            states = {url: item["state"] for url, item in relays(stack, call.id).items()}
            return states == {good.url: "stopped", secure.url: "failed", stalled.url: "stopped"}

        await asyncio.to_thread(eventually, over)

    play(act)


def test_a_fork_is_stopped_by_a_command_and_the_call_goes_on(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-stopped")
        async with Listener() as listener, call.going_on():
            await asyncio.to_thread(
                telnyx, stack, call.id, "streaming_start", stream_url=listener.url
            )
            fork = await listener.fork(0)
            await heard(fork, 25)
            await asyncio.to_thread(telnyx, stack, call.id, "streaming_stop")
            await fork.until_ended()

            assert fork.hearing.stop is not None
            assert since_it_joined(fork) in call.audio
            [relay] = relays(stack, call.id).values()
            assert relay["state"] == "stopped"
            await call.frames(10)

    play(act)


@pytest.mark.parametrize(
    ("behaviour", "reason"), [(Behaviour(refuse=403), "handshake"), (None, "refused")]
)
def test_a_consumer_that_cannot_be_reached_fails_the_relay(
    stack: DeployedStack, behaviour: Behaviour | None, reason: str
) -> None:
    async def act() -> None:
        call = LiveCall(stack, f"CA-{reason}")
        async with Listener(behaviour or Behaviour()) as listener, call.going_on():
            url = listener.url if behaviour else f"ws://127.0.0.1:{free_port()}/"
            await asyncio.to_thread(telnyx, stack, call.id, "streaming_start", stream_url=url)

            def failed() -> dict[str, Any] | None:
                relay = relays(stack, call.id)[url]
                return relay if relay["state"] == "failed" else None

            relay = await asyncio.to_thread(eventually, failed)
            assert relay["error"] == reason

    play(act)


def test_what_a_consumer_sends_back_reaches_the_carrier(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-answered")
        async with Listener() as listener, call.going_on():
            await asyncio.to_thread(
                telnyx,
                stack,
                call.id,
                "streaming_start",
                stream_url=listener.url,
                stream_bidirectional_mode="rtp",
                stream_bidirectional_target_legs="self",
            )
            fork = await listener.fork(0)
            await heard(fork, 5)
            answer = Random(1).randbytes(FRAME)  # noqa: S311  # it must repeat
            await fork.say(ReturnMedia(answer))
            await fork.say(ReturnMark("answered"))
            assert call.socket is not None
            said = [call.dialect.parse_return(await call.socket.recv()) for _ in range(2)]
            mark = said[1]
            assert said[0] == ReturnMedia(answer)
            assert isinstance(mark, ReturnMark)
            # Its echo goes to the fork that has set it, under the name that it knows.
            echo = {"event": "mark", "sequenceNumber": "9000", "streamSid": "MZ1"}
            await call.socket.send(json.dumps(echo | {"mark": {"name": mark.name}}))
            await call.frames(10)

    play(act)


def test_a_relay_hands_over_and_the_consumer_misses_nothing(stack: DeployedStack) -> None:
    async def act() -> None:
        [function] = names_of(stack, "RelayFunction")
        client = stack.client("lambda")
        # A run calls its successor a minute before its end.
        client.update_function_configuration(FunctionName=function, Timeout=64)
        call = LiveCall(stack, "CA-handed-over")
        try:
            async with Listener() as listener, call.going_on():
                await asyncio.to_thread(
                    telnyx, stack, call.id, "streaming_start", stream_url=listener.url
                )
                first = await listener.fork(0)
                await first.until_ended()
                second = await listener.fork(1)
                await heard(second, 25)
                await asyncio.to_thread(telnyx, stack, call.id, "streaming_stop")
                await second.until_ended()
        finally:
            client.update_function_configuration(FunctionName=function, Timeout=900)

        assert first.hearing.stop is None
        assert second.hearing.stop is not None
        assert since_it_joined(first) + second.hearing.audio("inbound") in call.audio

    play(act)


def test_killed_functions_lose_nothing_that_kinesis_has(stack: DeployedStack) -> None:
    async def act() -> None:
        [fan_out, relay] = names_of(stack, "FanOutFunction", "RelayFunction")
        call = LiveCall(stack, "CA-killed")
        async with Listener() as listener, call.going_on():
            await asyncio.to_thread(
                telnyx, stack, call.id, "streaming_start", stream_url=listener.url
            )
            first = await listener.fork(0)
            await heard(first, 50)
            assert await asyncio.to_thread(kill_workers, fan_out)
            await heard(first, 100)
            assert await asyncio.to_thread(kill_workers, relay)
            second = await listener.fork(1)
            await heard(second, 100)
            await asyncio.to_thread(telnyx, stack, call.id, "streaming_stop")
            await second.until_ended()

        assert first.hearing.disconnected is not None
        assert second.hearing.stop is not None
        # What was said after the last checkpoint is said again, and nothing is left out.
        before, after = since_it_joined(first), second.hearing.audio("inbound")
        joined = call.audio.index(before[:FRAME])
        assert call.audio[joined:].startswith(before)
        again = call.audio.index(after[:FRAME])
        assert again <= joined + len(before)
        assert call.audio[again:].startswith(after)
        [item] = relays(stack, call.id).values()
        assert item["rescues"] == 1

    play(act)
