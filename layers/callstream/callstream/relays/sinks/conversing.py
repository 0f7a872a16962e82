"""The sink of a client that streams its own audio: transcribes the audio, and answers the client.

The sink of a transcription does the work, once the client has said what it wants. Here the steps of
a conversation are carried out, and the transcript's lines go to the client too.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, override

import msgspec
from msgspec import Struct

from callstream.calls.model import StartedStream
from callstream.errors import Unavailable
from callstream.frames.records import StreamEvent
from callstream.ports import Connections
from callstream.relays.endings import Ending, Outcome
from callstream.relays.ports import DialFailed
from callstream.relays.sinks.conversation import (
    Answer,
    Begin,
    Close,
    Conversation,
    Failure,
    Finish,
    Hear,
    Step,
)
from callstream.relays.sinks.conversation_client import Client, ConversationLines
from callstream.relays.sinks.sink import CallFeed, Rest, Sink
from callstream.relays.sinks.transcript_lines import LineDelivery
from callstream.relays.sinks.transcription import TranscriptionSnapshot
from callstream.transcription.model import TranscriptionSettings
from callstream.transcription.recogniser import RecognitionFailed

_BEGINNING: Final = msgspec.msgpack.encode(TranscriptionSnapshot())
"""Where a transcription is that a run before has begun, and of which there is no snapshot: some of
its lines may have been kept, and are not made again."""

MOST_STEPS: Final = 5000
"""So many steps wait at most, for example until the transcription begins; more are a flood."""

_logger = logging.getLogger(__name__)


class ConversationMaker(Protocol):
    """Makes conversations of one dialect."""

    def __call__(self, stream_id: str, opened_at: int, *, snapshot: bytes | None) -> Conversation:
        """Make the conversation of a stream, which was opened then, in ms since 1970."""


class TranscribingSink(Sink, Protocol):
    """The sink of a transcription."""

    @property
    def failure(self) -> RecognitionFailed | None:
        """Why the engine recognises nothing any more; None as long as it does."""


class TranscriptionMaker(Protocol):
    """Makes what transcribes a client's stream."""

    @property
    def lines(self) -> LineDelivery:
        """Where the lines of every relay go."""

    def make(self, settings: TranscriptionSettings, lines: LineDelivery) -> TranscribingSink:
        """Make the sink, with the settings that the client asks for; its lines go to `lines`.

        Blocking. Raises `Unavailable`.
        """


class ConversationSnapshot(Struct):
    """Where a conversation is.

    `is_exact` is whether all steps had been done. `settings` are those of the transcription, as
    JSON, and `transcription` where it is; None before it begins.
    """

    is_exact: bool
    conversation: bytes
    settings: bytes | None
    transcription: bytes | None


class ConversingSink(Sink):
    """The sink of one client's stream.

    Args:
        connections: the clients' connections.
        converses: makes the conversation.
        maker: makes the sink that transcribes.
        clock: time in seconds, the same for all runs of a relay.
    """

    # Eleven of its 25 methods are those of the `Sink` protocol.

    rest = Rest.MISSED

    _stream: StartedStream
    _client: Client
    _conversation: Conversation
    _feed: CallFeed

    def __init__(
        self,
        connections: Connections,
        converses: ConversationMaker,
        maker: TranscriptionMaker,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._converses = converses
        self._maker = maker
        self._clock = clock
        self._steps: deque[Step] = deque()
        self._is_doing = self._is_resumed = False
        self._changed = asyncio.Event()
        self._settings: TranscriptionSettings | None = None
        self._transcription: TranscribingSink | None = None
        self._running: asyncio.Task[Outcome] | None = None

    @override
    async def connect(self) -> None:
        """Do nothing: the client has connected."""

    @override
    async def open(
        self, streams: Sequence[StartedStream], snapshot: bytes | None, feed: CallFeed
    ) -> None:
        self._stream, self._feed = streams[0], feed
        self._client = Client(self._connections, self._stream.connection_id)
        left, self._is_resumed = (
            None if snapshot is None else _decode(snapshot),
            snapshot is not None,
        )
        self._conversation = self._converses(
            self._stream.stream_id,
            self._stream.connected_at,
            snapshot=None if left is None else left.conversation,
        )
        if left is not None and left.settings is not None:
            settings = TranscriptionSettings.model_validate_json(left.settings)
            await self._transcribe(settings, left.transcription)

    @override
    async def run(self) -> Outcome:
        if self._transcription is not None:
            self._run_transcription()
        while True:
            await self._wait()
            if self._running is not None and self._running.done():
                await self._fail(self._why())
            elif (step := self._next()) is not None:
                if (outcome := await self._do(step)) is not None:
                    return outcome
            else:
                self._add(self._conversation.expire(self._now_ms))

    @override
    def take(self, stream_id: str, event: StreamEvent, received_at: int) -> None:
        if stream_id == self._stream.stream_id:
            self._add(self._conversation.take(event, received_at))

    @override
    async def drained(self) -> None:
        if self._transcription is not None:
            await self._transcription.drained()

    @override
    def snapshot(self) -> bytes:
        settings, transcription = self._settings, self._transcription
        left = ConversationSnapshot(
            not self._steps and not self._is_doing,
            self._conversation.snapshot(),
            None if settings is None else settings.model_dump_json().encode(),
            None if transcription is None else transcription.snapshot(),
        )
        return msgspec.msgpack.encode(left)

    @override
    def is_settled(self, snapshot: bytes) -> bool:
        left, transcription = _decode(snapshot), self._transcription
        if left.transcription is None or transcription is None:
            return left.is_exact
        return left.is_exact and transcription.is_settled(left.transcription)

    @property
    @override
    def dropped(self) -> int:
        return 0 if self._transcription is None else self._transcription.dropped

    @override
    async def flush(self, ending: Ending) -> None:
        if self._transcription is not None:
            await self._transcription.flush(ending)

    @override
    async def finish(self, *, is_final: bool) -> bool:
        await self._stop_running()
        if self._transcription is not None:
            await self._transcription.finish(is_final=is_final)
        if is_final:
            self._steps.clear()
            self._add(self._conversation.stopped(self._now_ms))
        for step in [*self._steps]:
            if isinstance(step, Answer | Close):
                await self._do(step)
        return not self._steps or is_final

    @override
    async def close(self) -> None:
        await self._stop_running()
        if self._transcription is not None:
            await self._transcription.close()

    # --- Steps ---

    def _add(self, steps: Iterable[Step]) -> None:
        for step in steps:
            # Nothing waits for an answer on its way: the transcription takes its events at once.
            if isinstance(step, Hear) and self._transcription is not None:
                self._hear(step)
            else:
                self._steps.append(step)
        if len(self._steps) > MOST_STEPS:
            self._steps = deque(self._conversation.failed(Failure.BUSY, self._now_ms))
        self._changed.set()

    def _next(self) -> Step | None:
        return self._steps.popleft() if self._steps else None

    async def _wait(self) -> None:
        """Wait until there is a step, the transcription has ended, or a deadline has come."""
        deadline = self._conversation.deadline
        due = None if deadline is None else max(0.0, deadline / 1000 - self._clock())
        is_over = self._running is not None and self._running.done()
        if not self._steps and not is_over:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), due)
            except TimeoutError:
                return

    async def _do(self, step: Step) -> Outcome | None:
        self._is_doing = True
        try:
            match step:
                case Begin(settings):
                    await self._begin(settings)
                case Hear():
                    self._hear(step)
                case Answer(text):
                    await self._client.send(text)
                case Finish():
                    await self._finish()
                case Close():
                    await self._client.hang_up()
                    return Outcome(Ending.CONSUMER)
        finally:
            self._is_doing = False
        return None

    def _hear(self, step: Hear) -> None:
        if self._transcription is not None:
            self._transcription.take(self._stream.stream_id, step.event, step.received_at)

    async def _begin(self, settings: TranscriptionSettings) -> None:
        try:
            await self._transcribe(settings, _BEGINNING if self._is_resumed else None)
        except DialFailed:
            await self._fail(Failure.REFUSED)
        except Unavailable:
            _logger.exception("the transcription cannot begin")
            await self._fail(Failure.BROKEN)
        else:
            self._run_transcription()

    async def _transcribe(self, settings: TranscriptionSettings, left: bytes | None) -> None:
        lines = ConversationLines(self._maker.lines, self._conversation, self._client)
        made = await asyncio.to_thread(self._maker.make, settings, lines)
        await made.connect()
        await made.open([self._stream], left, self._feed)
        self._settings, self._transcription = settings, made
        # What has come meanwhile is heard before anything that comes from now on.
        waiting, self._steps = self._steps, deque[Step]()
        self._add(waiting)

    async def _finish(self) -> None:
        await self._stop_running()
        if self._transcription is not None:
            await self._transcription.finish(is_final=True)
        if self.dropped:
            # The client may have sent faster than the engine can hear.
            await self._fail(Failure.BROKEN)
        else:
            self._add(self._conversation.finished(self._now_ms))

    async def _fail(self, failure: Failure) -> None:
        self._running = None
        self._steps.clear()
        self._add(self._conversation.failed(failure, self._now_ms))

    def _why(self) -> Failure:
        """Why the transcription has ended by itself."""
        failed = None if self._transcription is None else self._transcription.failure
        if failed is None or failed.is_permanent:
            return Failure.REFUSED  # without a failure its audio cannot be decoded
        return Failure.BUSY if failed.is_busy else Failure.BROKEN

    # --- The transcription ---

    def _run_transcription(self) -> None:
        if self._transcription is not None:
            self._running = asyncio.create_task(self._transcription.run())
            self._running.add_done_callback(lambda _: self._changed.set())

    async def _stop_running(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None

    @property
    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _decode(snapshot: bytes) -> ConversationSnapshot:
    return msgspec.msgpack.decode(snapshot, type=ConversationSnapshot)
