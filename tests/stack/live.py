"""Calls that go on while they are forked, and the commands that fork them."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    CarrierEvent,
    Dtmf,
    Mark,
    Media,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
)
from callstream_cli.gateway import media_url
from callstream_cli.listener.fork import Fork
from tests.stack.conftest import PATIENCE, DeployedStack, eventually

FRAME = 160
FRAME_SECONDS = 0.02
SHUFFLED = 5


class LiveCall:
    """A call whose audio goes on, shuffled, until the test ends the call."""

    def __init__(
        self,
        stack: DeployedStack,
        call_id: str,
        dialect: str = "twilio",
        codec: str | AudioFormat = "PCMU",
        session_id: str | None = None,
        *,
        tenant: str = "demo",
        url: str | None = None,
        parameters: dict[str, str] | None = None,
    ) -> None:
        self.id, self.dialect = call_id, DIALECTS[dialect]
        self._key = {"pk": f"CALL#{tenant}#{call_id}", "sk": "CALL"}
        self.format = replace(PCMU_8K, encoding=codec) if isinstance(codec, str) else codec
        self._session_id = session_id
        self._parameters = parameters or {}
        self._table = stack.table("streams")
        self._random = Random(call_id)  # noqa: S311  # it must repeat
        self._url = url or media_url(stack.description, "genagent")
        self._frames: list[bytes] = []
        self._hung_up = False
        self._sequence = 0
        self.socket: ClientConnection | None = None
        self._talking: asyncio.Task[None]

    @property
    def audio(self) -> bytes:
        """All audio that was sent."""
        return b"".join(self._frames)

    @asynccontextmanager
    async def going_on(self) -> Any:
        """The call, with its audio in real time."""
        # On a busy machine the emulator answers late.
        connection = connect(self._url, proxy=None, compression=None, ping_timeout=PATIENCE)
        async with connection as self.socket:
            start = Start(
                self._number(),
                "MZ1",
                self.id,
                "AC",
                ("inbound",),
                self.format,
                self._parameters,
                session_id=self._session_id,
            )
            await self.say(start)
            await asyncio.to_thread(eventually, self._is_known)
            self._talking = asyncio.create_task(self._talk())
            try:
                yield self
            finally:
                await self.stop()

    async def stop(self) -> None:
        """End the audio and say so, once; the connection stays open."""
        if not self._hung_up:
            self._hung_up = True
            await self._talking
            await self.say(Stop(self._number(), self.id, "AC"))

    def _is_known(self) -> bool:
        return "Item" in self._table.get_item(Key=self._key)

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
                await self.say(media)
                await asyncio.sleep(FRAME_SECONDS)

    def _next(self) -> Media:
        number = len(self._frames)
        self._frames.append(self._random.randbytes(FRAME))
        return Media(self._number(), "inbound", number + 1, number * 20, self._frames[-1])

    def _number(self) -> int:
        self._sequence += 1
        return self._sequence

    async def say(self, event: CarrierEvent) -> None:
        """Send one of the carrier's messages."""
        assert self.socket is not None
        await self.socket.send(self.dialect.render(event, "MZ1"))

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.say(Dtmf(self._number(), "inbound", digit))

    async def told(self) -> ReturnEvent:
        """The next message to the carrier."""
        assert self.socket is not None
        return self.dialect.parse_return(await self.socket.recv())

    async def told_audio(self, size: int) -> bytes:
        """The next audio of so many bytes, which comes in pieces of 20 ms, or several of them."""
        audio = b""
        while len(audio) < size:
            event = await self.told()
            assert isinstance(event, ReturnMedia)
            assert len(event.audio) % FRAME == 0
            audio += event.audio
        return audio

    async def told_until_mark(self) -> list[bytes]:
        """The payloads before the next mark."""
        payloads: list[bytes] = []
        while isinstance(event := await self.told(), ReturnMedia):
            payloads.append(event.audio)
        assert isinstance(event, ReturnMark)
        return payloads

    async def mark(self) -> ReturnMark:
        """The next mark, which the carrier returns at once, as if all audio had been played."""
        while not isinstance(event := await self.told(), ReturnMark):
            pass
        await self.say(Mark(self._number(), event.name))
        return event


def telnyx(stack: DeployedStack, call_id: str, action: str, **body: Any) -> None:
    """Send one of Telnyx's commands."""
    path = f"/v2/calls/{quote(call_id, safe='')}/actions/{action}"
    key = stack.description["credentials"]["telnyx"]["api_key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = stack.request("telnyx", "POST", path, headers, json.dumps(body).encode())
    assert answer.status == 200, answer.body


def signalwire(stack: DeployedStack, call_id: str, **fields: str) -> str:
    """Create a stream as SignalWire documents it; return its Sid."""
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
    """Wait until a fork has received so many frames."""
    await fork.until(lambda state: len(state.audio("inbound")) >= frames * FRAME)
