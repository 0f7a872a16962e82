"""One fork on its connection."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from callstream.audio.conversion import Converter, UnusableAudio, converter
from callstream.dialects import DIALECTS
from callstream.dialects.events import Media, ReturnEvent, ReturnMedia, Start
from callstream.frames.records import RecordEvent
from callstream_cli.listener.answering import answers
from callstream_cli.listener.behaviour import DROPPED, Behaviour
from callstream_cli.listener.fork_state import ForkState

type Watcher = Callable[[ForkState, RecordEvent], object]
"""Is called with every event of a fork, as the events come; the last is `Disconnected`."""


class ForkEnded(Exception):
    """The awaited event will not come: the fork has ended."""


class Changes:
    """Wakes the tasks that wait for a condition."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Have every waiting task look at its condition again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition to become true."""
        while not condition():
            await self._changed.wait()


class Fork:
    """One fork: its connection and its state."""

    def __init__(
        self,
        connection: ServerConnection,
        state: ForkState,
        behaviour: Behaviour,
        changes: Changes,
        watch: Watcher,
    ) -> None:
        self.state = state
        self.behaviour = behaviour
        self._connection = connection
        self._changes = changes
        self._watch = watch
        self._resumed = asyncio.Event()
        self._closing = False
        # If the gateway does not read, the queue grows by as much as the gateway sends.
        self._outbox: asyncio.Queue[ReturnEvent] = asyncio.Queue()
        self._helpers: list[asyncio.Task[None]] = []
        self._echo_converter: Converter | None = None

    @property
    def ended(self) -> bool:
        """Whether the connection has ended."""
        return self.state.disconnected is not None

    async def until(self, condition: Callable[[ForkState], bool]) -> None:
        """Wait for a condition on the state.

        Raises:
            ForkEnded: the condition will not become true any more.
        """
        await self._changes.until(lambda: condition(self.state) or self.ended)
        if not condition(self.state):
            raise ForkEnded(f"fork {self.state.number} has ended")

    async def until_ended(self) -> None:
        """Wait for the end of the connection."""
        await self._changes.until(lambda: self.ended)

    async def send_event(self, event: ReturnEvent) -> None:
        """Send an event in the fork's dialect, once the fork has started.

        Raises:
            Inexpressible: the dialect has no message for the event.
            ForkEnded: the connection has ended.
        """
        await self.until(lambda state: state.start is not None)
        start, dialect = self.state.start, self.state.dialect
        if start is not None and dialect is not None:
            text = DIALECTS[dialect].render_return(event, start.carrier_stream_id)
            await self.send(text, event)

    async def send(self, text: str | bytes, event: ReturnEvent | None = None) -> None:
        """Send a message as it is.

        Args:
            text: the message; bytes are sent as a binary message.
            event: the event that the message is counted as.

        Raises:
            ForkEnded: the connection has ended.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            raise ForkEnded(f"fork {self.state.number} has ended") from None
        self.state.sent.add(event)
        self._changes.notify()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; `DROPPED` drops it without a closing handshake."""
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
        """Receive until the connection ends."""
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
        state, behaviour = self.state, self.behaviour
        has_started = state.start is not None
        event = state.take(text, time.time())
        self._notify(event)
        match event:
            case Start() if not has_started:
                self._begin(event)
                if behaviour.stall is not None:
                    await self._stall(behaviour.stall)
            case Media(track="inbound", audio=audio) if behaviour.echo and has_started:
                self._put_echo(audio)

    def _put_echo(self, audio: bytes) -> None:
        try:
            payloads = self._echo_converter.convert(audio) if self._echo_converter else ()
        except UnusableAudio:
            self.state.undecodable += 1
            return
        for payload in payloads:
            self._outbox.put_nowait(ReturnMedia(payload))

    def _begin(self, start: Start) -> None:
        behaviour = self.behaviour
        if behaviour.echo:
            target = behaviour.answer_format or start.format
            try:
                self._echo_converter = converter(start.format, target, behaviour.byte_order)
            except UnusableAudio as error:
                self.state.sent.unsent.append(str(error))
        self._help(self._answer(start))
        self._help(self._echo())
        if behaviour.close_after is not None:
            self._help(self._close_after(behaviour.close_after, behaviour.close_code))

    def _help(self, doing: Coroutine[None, None, None]) -> None:
        self._helpers.append(asyncio.create_task(doing))

    async def _answer(self, start: Start) -> None:
        began = time.monotonic()
        # Encoding takes a while, and other forks wait.
        planned = await asyncio.to_thread(answers, self.behaviour, self.state.dialect or "", start)
        self.state.sent.unsent += planned.unsent
        self._changes.notify()
        with suppress(ForkEnded):
            for message in planned.messages:
                if (early := began + message.at - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                await self.send(message.text, message.event)

    async def _echo(self) -> None:
        with suppress(ForkEnded):
            while True:
                await self.send_event(await self._outbox.get())

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
        # Both sides may close at once: the side whose close frame came first has closed.
        by_gateway = connection.protocol.close_rcvd_then_sent or not closed_here
        self._notify(
            self.state.close(
                connection.close_code or DROPPED,
                connection.close_reason or "",
                "gateway" if by_gateway else "listener",
                time.time(),
            )
        )

    def _notify(self, event: RecordEvent) -> None:
        self._watch(self.state, event)
        self._changes.notify()
