"""The listener on sockets: takes any number of forks at once."""

import asyncio
import logging
import math
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from callstream.dialects import DIALECTS
from callstream.dialects.events import Media, ReturnEvent, ReturnMedia, Start
from callstream.frames.records import RecordEvent
from callstream_cli.listener.answering import talk
from callstream_cli.listener.behaviour import DROPPED, Behaviour, Handshake
from callstream_cli.listener.certificate import Certificate, self_signed
from callstream_cli.listener.fork_state import Hearing

# How long the other side may take to say goodbye.
_GOODBYE_SECONDS: Final = 5
_ABORT_SECONDS: Final = 0.1
# So little that a sender soon notices that nobody reads.
_STALLED_BUFFER_BYTES: Final = 4096
# A sender's own buffer has room for so many segments, and those of loopback are huge.
_STALLED_SEGMENT_BYTES: Final = 536

# What the library tells goes nowhere: at its finest it holds tokens and audio.
_silence: Final = logging.getLogger("callstream_cli.listener.websockets")
_silence.addHandler(logging.NullHandler())
_silence.propagate = False
_silence.setLevel(logging.CRITICAL)


class ForkEnded(Exception):
    """What was waited for will not come: the fork has ended."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that was refused; with no status if it got no answer until its sender gave up."""

    handshake: Handshake
    status: int | None


class _Changes:
    """Wakes those who wait for something to become true."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()


class Fork:
    """One fork: its connection, and what is heard on it."""

    def __init__(
        self,
        connection: ServerConnection,
        hearing: Hearing,
        behaviour: Behaviour,
        changes: _Changes,
        watch: "Watcher",
    ) -> None:
        self.hearing = hearing
        self.behaviour = behaviour
        self._connection = connection
        self._changes = changes
        self._watch = watch
        self._resumed = asyncio.Event()
        self._closing = False
        # A gateway that does not read makes it grow by what it sends itself.
        self._outbox: asyncio.Queue[ReturnEvent] = asyncio.Queue()
        self._helpers: list[asyncio.Task[None]] = []

    @property
    def ended(self) -> bool:
        """Whether its connection is gone."""
        return self.hearing.disconnected is not None

    async def until(self, condition: Callable[[Hearing], bool]) -> None:
        """Wait for something to be heard.

        Raises:
            ForkEnded: it has not been, and will not be.
        """
        await self._changes.until(lambda: condition(self.hearing) or self.ended)
        if not condition(self.hearing):
            raise ForkEnded(f"fork {self.hearing.number} has ended before")

    async def until_ended(self) -> None:
        """Wait for the end of its connection."""
        await self._changes.until(lambda: self.ended)

    async def say(self, event: ReturnEvent) -> None:
        """Say something in the fork's dialect, once it has started.

        Raises:
            Inexpressible: the dialect has no words for it.
            ForkEnded: nobody is there to hear it.
        """
        await self.until(lambda hearing: hearing.start is not None)
        start, dialect = self.hearing.start, self.hearing.dialect
        if start is not None and dialect is not None:
            text = DIALECTS[dialect].render_return(event, start.carrier_stream_id)
            await self.send(text, event)

    async def send(self, text: str | bytes, event: ReturnEvent | None = None) -> None:
        """Send a message as it is, whatever it says.

        Raises:
            ForkEnded: nobody is there to hear it.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            raise ForkEnded(f"fork {self.hearing.number} has ended") from None
        self.hearing.said.add(event)
        self._changes.tell()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; with `DROPPED` without a goodbye."""
        self._closing = True
        self.resume()
        if code == DROPPED:
            self._connection.transport.abort()
        else:
            await self._connection.close(code, reason)

    def resume(self) -> None:
        """End a stall."""
        self._resumed.set()

    async def run(self) -> None:
        """Listen until the connection is gone."""
        try:
            with suppress(ConnectionClosed):
                async for text in self._connection:
                    await self._take(text)
        except BaseException:
            self._closing = True
            self._connection.transport.abort()
            raise
        finally:
            for helper in self._helpers:
                helper.cancel()
            outcomes = await asyncio.gather(*self._helpers, return_exceptions=True)
            await self._connection.wait_closed()
            self._end()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _take(self, text: str | bytes) -> None:
        hearing, behaviour = self.hearing, self.behaviour
        has_started = hearing.start is not None
        event = hearing.take(text, time.time())
        self._told(event)
        match event:
            case Start() if not has_started:
                self._begin(event)
                if behaviour.stall is not None:
                    await self._stall(behaviour.stall)
            case Media(track="inbound", audio=audio) if behaviour.echo and has_started:
                self._outbox.put_nowait(ReturnMedia(audio))

    def _begin(self, start: Start) -> None:
        behaviour = self.behaviour
        self._help(self._talk(start))
        self._help(self._echo())
        if behaviour.close_after is not None:
            self._help(self._close_after(behaviour.close_after, behaviour.close_code))

    def _help(self, doing: Coroutine[None, None, None]) -> None:
        self._helpers.append(asyncio.create_task(doing))

    async def _talk(self, start: Start) -> None:
        began = time.monotonic()
        what = talk(self.behaviour, self.hearing.dialect or "", start)
        self.hearing.said.unsaid += what.unsaid
        self._changes.tell()
        with suppress(ForkEnded):
            for line in what.lines:
                if (early := began + line.at - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                await self.send(line.text, line.event)

    async def _echo(self) -> None:
        with suppress(ForkEnded):
            while True:
                await self.say(await self._outbox.get())

    async def _stall(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await self._resumed.wait()

    async def _close_after(self, seconds: float, code: int) -> None:
        await asyncio.sleep(seconds)
        await self.close(code)

    def _end(self) -> None:
        connection = self._connection
        closed_here = self._closing or connection.protocol.close_rcvd_then_sent is False
        # Both may have said goodbye at once: the one that was there first has closed it.
        by_gateway = connection.protocol.close_rcvd_then_sent or not closed_here
        self._told(
            self.hearing.close(
                connection.close_code or DROPPED,
                connection.close_reason or "",
                "gateway" if by_gateway else "listener",
                time.time(),
            )
        )

    def _told(self, event: RecordEvent) -> None:
        self._watch(self.hearing, event)
        self._changes.tell()


type Watcher = Callable[[Hearing, RecordEvent], object]
"""Is called for everything that happens on a fork, as it came; `Disconnected` is the last."""

type Chooser = Callable[[Handshake], Behaviour]
"""Says how to behave to a fork; is called once for each handshake."""


class Listener:
    """Takes forks on a WebSocket, and keeps everything that it hears.

    ::

        async with Listener(Behaviour(echo=True)) as listener:
            ...  # have a gateway fork a call to listener.url
            fork = await listener.fork()
            await fork.until_ended()
            assert fork.hearing.faults == {}

    On leaving, the forks that are left are closed with code 1001. What the given functions have
    raised is raised again then.

    Args:
        behaviour: to every fork, or what says it for each.
        host: the address to listen on.
        port: 0 is any that is free.
        tls: whether to speak TLS with a certificate made on the spot, or with which one.
        keep: whether all messages and their audio are kept, or only counted.
        watch: gets all that happens.
    """

    def __init__(
        self,
        behaviour: Behaviour | Chooser | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool | Certificate = False,
        keep: bool = True,
        watch: Watcher = lambda _, __: None,
    ) -> None:
        self.forks: list[Fork] = []
        """In the order in which they were opened."""
        self.refused: list[Refusal] = []
        """The handshakes that came to nothing, in the order in which they did."""
        self.certificate = self_signed(host) if tls is True else tls or None
        """The one that is presented; whoever trusts it can verify it."""
        self._behaviour = behaviour or Behaviour()
        self._host = host
        self._port = port
        self._keep = keep
        self._watch = watch
        self._changes = _Changes()
        # Not every one of them becomes a fork.
        self._chosen: WeakKeyDictionary[ServerConnection, tuple[Handshake, Behaviour]] = (
            WeakKeyDictionary()
        )
        self._server: Server | None = None
        self._error: Exception | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "ws" if self.certificate is None else "wss"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}/"

    @property
    def ended(self) -> int:
        """How many forks have come and gone, those that were refused among them."""
        return sum(fork.ended for fork in self.forks) + len(self.refused)

    async def until(self, condition: Callable[[Self], bool]) -> None:
        """Wait for something to become true of the listener or its forks."""
        await self._changes.until(lambda: condition(self))

    async def fork(self, index: int = 0) -> Fork:
        """Wait for a fork to be opened, by its place among those that were."""
        await self._changes.until(lambda: len(self.forks) > index)
        return self.forks[index]

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            sock=self._socket(),
            ssl=self._context(),
            process_request=self._answer,
            compression=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=_GOODBYE_SECONDS,
            # Who stalls must not read ahead.
            max_queue=1,
            logger=_silence,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close(code=CloseCode.GOING_AWAY)
            for fork in self.forks:
                fork.resume()
                await fork.until_ended()
            # What is left never became a fork, and may never say anything.
            closed = asyncio.ensure_future(self._server.wait_closed())
            while not closed.done():
                self._server.server.abort_clients()
                await asyncio.wait({closed}, timeout=_ABORT_SECONDS)
        if self._error is not None and error is None:
            raise self._error

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.create_server((self._host, self._port), family=family)
        behaviour = self._behaviour
        if not isinstance(behaviour, Behaviour) or behaviour.stall is not None:
            # Connections inherit it, and only if it is set before they are made.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER_BYTES)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _STALLED_SEGMENT_BYTES)
        self._port = listening.getsockname()[1]
        return listening

    def _context(self) -> ssl.SSLContext | None:
        return None if self.certificate is None else self.certificate.server_context()

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        handshake = Handshake(
            request.path, {name.lower(): value for name, value in request.headers.raw_items()}
        )
        behaviour = self._behaviour_to(handshake)
        status = behaviour.refusal(handshake)
        if status is None and not behaviour.silent:
            self._chosen[connection] = (handshake, behaviour)
            return None
        if status is None:
            await connection.wait_closed()
        self.refused.append(Refusal(handshake, status))
        self._changes.tell()
        return connection.respond(HTTPStatus(status or HTTPStatus.SERVICE_UNAVAILABLE), "")

    def _behaviour_to(self, handshake: Handshake) -> Behaviour:
        if isinstance(self._behaviour, Behaviour):
            return self._behaviour
        try:
            return self._behaviour(handshake)
        except Exception as error:
            self._error = error
            raise

    async def _serve(self, connection: ServerConnection) -> None:
        handshake, behaviour = self._chosen.pop(connection)
        hearing = Hearing(len(self.forks) + 1, handshake, time.time(), keep=self._keep)
        fork = Fork(connection, hearing, behaviour, self._changes, self._watch)
        self.forks.append(fork)
        self._changes.tell()
        try:
            await fork.run()
        except Exception as error:
            self._error = error
            raise
