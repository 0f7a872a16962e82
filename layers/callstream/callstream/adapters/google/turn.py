"""A turn: one stream of a synchronous client, behind asyncio.

Not gRPC's own client for asyncio: its failures often hide the status that the server has sent.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol

import grpc

from callstream.adapters.google.failures import failure_of_stream
from callstream.dialogues.virtual_agent import AgentFailed, Reply, TurnEvent

_logger = logging.getLogger(__name__)

# Google ends a stream after a minute of audio.
_LONGEST_SECONDS: Final = 55.0
# After the end of the audio, and between replies. Webhooks of an agent may take 30 s.
_ANSWER_SECONDS: Final = 35.0
_CLOSE_SECONDS: Final = 2.0
# What waits for `receive`. Google sends a few events for each second of audio.
_MOST_EVENTS: Final = 1000


class Messages[Request, Response](Protocol):
    """The messages of one turn, which differ between Google's services.

    `read` and `rest` run in a thread of their own.
    """

    @property
    def is_answered(self) -> bool:
        """Whether the last reply of the turn has come: how the stream ends means nothing then."""

    def first(self) -> Request:
        """What opens the stream."""

    def audio(self, audio: bytes) -> Request:
        """A piece of audio."""

    def keys(self, digits: str, *, are_wanted: bool) -> Request:
        """Keys that the person has pressed."""

    def read(self, response: Response) -> list[TurnEvent]:
        """What a response says.

        Raises:
            AgentFailed: nothing can be made of the response.
        """

    def rest(self) -> list[Reply]:
        """What has waited for more responses, of which there are none."""


class Stream[Response](Protocol):
    """The responses of a stream that is open."""

    def __iter__(self) -> Iterator[Response]:
        """Wait for responses; raises `grpc.RpcError`."""

    def cancel(self) -> bool:
        """Give up the stream."""


class StreamTurn[Request, Response]:
    """A turn; see `callstream.dialogues.virtual_agent.Turn`. Made in the event loop.

    Args:
        open_stream: opens the stream, to which the requests are sent, without waiting.
        messages: those of this turn.
    """

    def __init__(
        self,
        open_stream: Callable[[Iterator[Request]], Stream[Response]],
        messages: Messages[Request, Response],
    ) -> None:
        self._messages = messages
        self._loop = asyncio.get_running_loop()
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._events: deque[TurnEvent] = deque()
        self._news = asyncio.Event()
        self._is_finished = self._is_over = False
        self._failure: AgentFailed | None = None
        self._has_read = asyncio.Event()
        self._requests.put(messages.first())
        self._stream = open_stream(iter(self._requests.get, None))
        Thread(target=self._read, name="dialogflow-turn", daemon=True).start()

    @property
    def longest_s(self) -> float:
        """After how many seconds of audio `finish` must be called."""
        return _LONGEST_SECONDS

    def feed(self, audio: bytes) -> None:
        """Send audio."""
        if not self._is_finished:
            self._requests.put(self._messages.audio(audio))

    def press(self, digits: str, *, are_wanted: bool) -> None:
        """Send keys that the person has pressed."""
        if not self._is_finished:
            self._requests.put(self._messages.keys(digits, are_wanted=are_wanted))

    def finish(self) -> None:
        """Say that the audio ends here."""
        self._is_finished = True
        self._requests.put(None)  # closes our half of the stream
        # From now on, `receive` waits no longer than for an answer.
        self._news.set()

    async def receive(self) -> TurnEvent | None:
        """Wait for the next event; None when the turn is over.

        Raises:
            AgentFailed: the turn has failed.
        """
        while not self._events:
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(_ANSWER_SECONDS if self._is_finished else None):
                    await self._news.wait()
            except TimeoutError:
                self._give_up(AgentFailed("no_answer", "repeat"))
        return self._events.popleft()

    async def close(self) -> None:
        """Give up the turn, in any state."""
        self._give_up(None)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._has_read.wait()

    def _give_up(self, failure: AgentFailed | None) -> None:
        self._end(failure)
        self._events.clear()
        self._stream.cancel()
        self.finish()

    def _end(self, failure: AgentFailed | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._failure = failure
        self._news.set()

    def _take(self, events: Sequence[TurnEvent]) -> None:
        if self._is_over:
            return
        self._events += events
        self._news.set()
        if len(self._events) > _MOST_EVENTS:
            self._give_up(AgentFailed("too_many_events"))

    def _read(self) -> None:
        """Read the stream, in the turn's own thread."""
        failure: AgentFailed | None = None
        try:
            for response in self._stream:
                self._in_loop(self._take, self._messages.read(response))
        except grpc.RpcError as error:
            failure = None if self._messages.is_answered else failure_of_stream(error)
        except AgentFailed as failed:
            failure = failed
            self._stream.cancel()
        except Exception as error:  # noqa: BLE001 - otherwise `receive` would wait for ever
            # A mistake of ours, which a repetition does not mend. Its text could quote.
            _logger.error("a response cannot be read: %s", type(error).__name__)  # noqa: TRY400
            failure = AgentFailed("unreadable")
            self._stream.cancel()
        self._requests.put(None)  # ends the thread in which gRPC waits for requests
        self._in_loop(self._take, self._messages.rest())
        self._in_loop(self._end, failure)
        self._in_loop(self._has_read.set)

    def _in_loop[*Arguments](
        self, act: Callable[[*Arguments], None], *arguments: *Arguments
    ) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(act, *arguments)
