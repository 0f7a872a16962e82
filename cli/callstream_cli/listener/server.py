"""The listener's server: receives any number of forks at once."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from callstream_cli.listener.behaviour import Behaviour, Handshake
from callstream_cli.listener.certificate import Certificate, self_signed
from callstream_cli.listener.fork import Changes, Fork, Watcher
from callstream_cli.listener.fork_state import ForkState

# How long the other side may take for the closing handshake.
_GOODBYE_SECONDS: Final = 5
_ABORT_SECONDS: Final = 0.1
# Small, so that the sender soon notices that the listener does not read.
_STALLED_BUFFER_BYTES: Final = 4096
# The sender's own buffer holds a number of segments, and segments of loopback are huge.
_STALLED_SEGMENT_BYTES: Final = 536

# The WebSocket library's log is discarded: at level DEBUG it holds tokens and audio.
_silence: Final = logging.getLogger("callstream_cli.listener.websockets")
_silence.addHandler(logging.NullHandler())
_silence.propagate = False
_silence.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that was refused; `status` is None if the sender gave up without an answer."""

    handshake: Handshake
    status: int | None


type Chooser = Callable[[Handshake], Behaviour]
"""Chooses the behaviour to a fork; is called once for each handshake."""


class Listener:
    """Receives forks on a WebSocket, and keeps their messages.

    ::

        async with Listener(Behaviour(echo=True)) as listener:
            ...  # have a gateway fork a call to listener.url
            fork = await listener.fork()
            await fork.until_ended()
            assert fork.state.faults == {}

    On leaving, the open forks are closed with code 1001, and an error that `behaviour` or `watch`
    raised is raised again.

    Args:
        behaviour: the behaviour to every fork, or a function that chooses one for each.
        host: the address to listen on.
        port: 0 stands for any free port.
        tls: whether to use TLS with a new self-signed certificate; or the certificate to use.
        keep: whether all messages and their audio are kept, or only counted.
        watch: is called with every event.
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
        """The handshakes that were refused, in that order."""
        self.certificate = self_signed(host) if tls is True else tls or None
        """The certificate of the server; None without TLS. Clients that trust it can verify it."""
        self._behaviour = behaviour or Behaviour()
        self._host = host
        self._port = port
        self._keep = keep
        self._watch = watch
        self._changes = Changes()
        # Not every handshake becomes a fork.
        self._chosen: WeakKeyDictionary[ServerConnection, tuple[Handshake, Behaviour]] = (
            WeakKeyDictionary()
        )
        self._server: Server | None = None
        self._error: Exception | None = None

    @property
    def url(self) -> str:
        """The URL of the listener."""
        scheme = "ws" if self.certificate is None else "wss"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}/"

    @property
    def ended(self) -> int:
        """How many forks have ended, including those that were refused."""
        return sum(fork.ended for fork in self.forks) + len(self.refused)

    async def until(self, condition: Callable[[Self], bool]) -> None:
        """Wait for a condition on the listener or its forks."""
        await self._changes.until(lambda: condition(self))

    async def fork(self, index: int = 0) -> Fork:
        """Wait for the fork with an index in the order of opening, from 0."""
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
            # A stalled listener must not read ahead.
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
            # The remaining connections never became forks, and may stay silent forever.
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
            # Connections inherit these options only if they are set before the connection is made.
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
        self._changes.notify()
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
        state = ForkState(len(self.forks) + 1, handshake, time.time(), keep=self._keep)
        fork = Fork(connection, state, behaviour, self._changes, self._watch)
        self.forks.append(fork)
        self._changes.notify()
        try:
            await fork.run()
        except Exception as error:
            self._error = error
            raise
