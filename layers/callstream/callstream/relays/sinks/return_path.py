"""What one consumer sends back, on its way to the carrier: in order, bounded, never waited for.

A consumer may say in a moment what takes the carrier many seconds to play, and then change its
mind (barge-in). So what it says is taken at once, and posted by somebody else; `clear` overtakes
all that has not been posted, and the marks in that come back.

Nothing that a consumer does makes it grow without end: what waits is bounded, more than a sane
number of messages is refused, and refusals are told now and then. They have the words of Telnyx,
the only vendor that has any: developers.telnyx.com/docs/voice/programmable-voice/media-streaming.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, Never, Protocol

from callstream.audio.formats import AudioFormat
from callstream.audio.packetizer import MP3, PIECE_SECONDS, Packetizer
from callstream.audio.transcoding import UnusableAudio
from callstream.dialects.events import (
    Clear,
    Error,
    Mark,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames.records import Record
from callstream.relays.sinks.fork import Fork
from callstream.token_bucket import TokenBucket

_logger = logging.getLogger(__name__)

MOST_SECONDS: Final = 60
"""How much audio may wait to be posted."""
_MOST_PIECES: Final = round(MOST_SECONDS / PIECE_SECONDS)
# As many seconds of the widest audio there is; how long packets take nobody knows.
_MOST_BYTES: Final = 6_000_000
MESSAGES_A_SECOND: Final = 200
"""How many messages a consumer may send in the long run; a minute's worth of pieces at once."""
_SOON: Final = 0.1
"""Seconds within which the next audio must come for the end of the last to wait for it."""

_MALFORMED: Final = Error(None, "100003", "malformed_frame", "The frame was not formed correctly")
_NOT_BASE64: Final = Error(None, "100004", "invalid_media", "Media is not encoded in base64")
_TOO_MANY: Final = Error(None, "100005", "rate_limit_reached", "Too many requests")
_TOO_MUCH: Final = Error(
    None,
    "100005",
    "rate_limit_reached",
    f"Too many requests: more than {MOST_SECONDS} seconds of audio are waiting",
)
_NO_MP3: Final = "stream_bidirectional_mode mp3 is not supported, but rtp is"


class Legs(Protocol):
    """The carriers' legs that a relay speaks to; blocking."""

    def send_back(self, event: ReturnEvent, hears: AudioFormat) -> Collection[str]:
        """Pass on what the consumer sends, its audio in that format.

        Returns the streams of other calls, the other legs, that have got it. Raises `UnusableAudio`
        if some leg cannot play it, or there is none, and `Unavailable` if one cannot be reached.
        """

    def other_legs(self) -> Collection[str]:
        """The streams of other calls that it would go to now. Raises `Unavailable`."""


class Ears(Protocol):
    """Where records of streams come from."""

    async def subscribe(self, stream_id: str) -> None:
        """From when this returns, the stream's records come. Raises `Unavailable`."""


class ReturnPath:
    """The way back of one fork.

    Args:
        fork: reads what the consumer says, and words the answers.
        legs: the carriers' side.
        ears: where marks of the call's other legs come back.
        answer: tells the consumer.
        clock: time in seconds.
    """

    def __init__(
        self,
        fork: Fork,
        legs: Legs,
        ears: Ears,
        answer: Callable[[Sequence[str]], None],
        clock: Callable[[], float],
    ) -> None:
        self._fork = fork
        self._legs = legs
        self._ears = ears
        self._answer = answer
        self._clock = clock
        self._cutter = Packetizer(fork.hears)
        self._messages = TokenBucket(_MOST_PIECES, MESSAGES_A_SECOND)
        # Telnyx takes one file a second.
        self._files = TokenBucket(1, 1)
        self._refusals = _Refusals()
        self._waiting: deque[ReturnEvent] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._played_at = 0.0
        """When the carrier will have played all that was posted, as far as can be told."""
        self._others: dict[str, asyncio.Task[None]] = {}
        """The streams of other legs whose marks are listened to."""

    async def hear(self, text: str | bytes) -> None:
        """Take a message of the consumer's; takes long only if there are far too many."""
        now = self._clock()
        event = self._read(text, now)
        is_one_of_few = self._messages.take(now)
        if isinstance(event, Clear):
            self._clear(event, now)
        elif not is_one_of_few:
            self._refuse(_TOO_MANY, now)
        elif event is not None:
            self._put(event, now)
        if not is_one_of_few:
            # Who floods is read as slowly as it should have written.
            await asyncio.sleep(1 / MESSAGES_A_SECOND)

    async def post(self) -> Never:
        """Pass on what was taken, one after the other."""
        try:
            await self._listen_early()
            while True:
                await self._pass_on(await self._next())
        finally:
            for task in self._others.values():
                task.cancel()
            self._refusals.log(self._fork)

    async def emptied(self) -> None:
        """Returns when all that was taken has been posted."""
        self._enqueue(self._cutter.rest())
        await self._idle.wait()

    def take_marks(self, found: Sequence[Record]) -> Sequence[Record]:
        """Take the records of other legs, of which only the marks are for this fork; the rest."""
        if not self._others:
            return found
        for record in found:
            if record.stream_id in self._others and isinstance(record.event, Mark):
                self._answer(self._fork.give_back(record.event.name))
        return [record for record in found if record.stream_id not in self._others]

    def _read(self, text: str | bytes, now: float) -> ReturnEvent | None:
        try:
            return self._fork.hear(text)
        except UnreadableMessage as unreadable:
            is_media = "payload" in unreadable.detail
            self._refuse(_NOT_BASE64 if is_media else _MALFORMED, now)
            return None

    def _put(self, event: ReturnEvent, now: float) -> None:
        if isinstance(event, ReturnMedia):
            self._put_audio(event.audio, now)
        elif len(self._waiting) >= _MOST_PIECES or self._bytes > _MOST_BYTES:
            self._refuse(_TOO_MUCH, now)
        else:
            # What it marks the end of is not gone on with.
            self._enqueue(self._cutter.rest() if isinstance(event, ReturnMark) else [])
            self._append(event)

    def _put_audio(self, audio: bytes, now: float) -> None:
        if self._fork.hears.encoding == MP3:
            is_in_time = self._files.take(now)
            self._refuse(_unusable(_NO_MP3) if is_in_time else _TOO_MANY, now)
            return
        pieces = self._cutter.cut(audio)
        too_many = len(self._waiting) + len(pieces) > _MOST_PIECES
        if too_many or self._bytes + len(audio) > _MOST_BYTES:
            self._cutter.forget()
            self._refuse(_TOO_MUCH, now)
            return
        self._enqueue(pieces)
        self._changed.set()

    def _enqueue(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._append(ReturnMedia(piece))

    def _append(self, event: ReturnEvent) -> None:
        self._waiting.append(event)
        self._bytes += _size(event)
        self._idle.clear()
        self._changed.set()

    def _clear(self, clear: Clear, now: float) -> None:
        """Forget the audio. Its marks come back; keys are no audio, and stay."""
        dropped, self._waiting, self._bytes = self._waiting, deque(), 0
        self._cutter.forget()
        self._played_at = now
        self._append(clear)
        for event in dropped:
            match event:
                case ReturnMark(name=name):
                    self._answer(self._fork.give_back(name))
                case ReturnDtmf():
                    self._append(event)

    async def _next(self) -> ReturnEvent:
        while not self._waiting:
            self._idle.set()
            self._changed.clear()
            try:
                async with asyncio.timeout(self._patience()):
                    await self._changed.wait()
            except TimeoutError:
                self._enqueue(self._cutter.rest())
        event = self._waiting.popleft()
        self._bytes -= _size(event)
        return event

    def _patience(self) -> float | None:
        """How long the end of a message may wait for the next: until the carrier falls silent."""
        if not self._cutter.waits:
            return None
        return max(_SOON, self._played_at - self._clock() - _SOON)

    async def _pass_on(self, event: ReturnEvent) -> None:
        if isinstance(event, ReturnMedia):
            self._played_at = max(self._played_at, self._clock()) + PIECE_SECONDS
        try:
            others = await asyncio.to_thread(self._legs.send_back, event, self._fork.hears)
        except UnusableAudio as unusable:
            if isinstance(event, ReturnMark):
                # Nothing is played before it, so it is reached.
                self._answer(self._fork.give_back(event.name))
            self._refuse(_unusable(str(unusable)), self._clock())
        except Unavailable as error:
            self._refusals.lost(str(error), self._clock(), self._fork)
        else:
            self._listen(others)

    async def _listen_early(self) -> None:
        """Who fans out needs a moment to know, and a predecessor's marks may be on their way."""
        if self._fork.hears.encoding != MP3:
            with suppress(Unavailable):
                self._listen(await asyncio.to_thread(self._legs.other_legs))

    def _listen(self, others: Collection[str]) -> None:
        for stream_id in others:
            if stream_id not in self._others:
                self._others[stream_id] = asyncio.create_task(self._listen_to(stream_id))

    async def _listen_to(self, stream_id: str) -> None:
        try:
            await self._ears.subscribe(stream_id)
        except Unavailable as error:
            self._refusals.lost(str(error), self._clock(), self._fork)

    def _refuse(self, error: Error, now: float) -> None:
        if self._refusals.may_be_told(error, now, self._fork):
            self._answer(self._fork.refuse(error))


class _Refusals:
    """Counts what is refused, and says when it may be told: to the consumer, and to the log."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, TokenBucket] = {}

    def may_be_told(self, error: Error, now: float, fork: Fork) -> bool:
        """Whether one more refusal is to be told."""
        self._counts[error.code] += 1
        # Audio that cannot be used is followed by more of the kind; anything else is a slip.
        slips = 1 if error.code == _UNUSABLE else 10
        if not self._bucket(error.code + error.detail, slips, slips / 10).take(now):
            return False
        _logger.warning(
            "refused what the consumer sent: %s", error.detail, extra={"relay_id": fork.stream_id}
        )
        return True

    def lost(self, reason: str, now: float, fork: Fork) -> None:
        """Something could not be posted."""
        self._counts["unavailable"] += 1
        if self._bucket("unavailable", 1, 0.1).take(now):
            _logger.warning("not sent back: %s", reason, extra={"relay_id": fork.stream_id})

    def log(self, fork: Fork) -> None:
        """Say what it came to."""
        if self._counts:
            counts = dict(self._counts)
            _logger.warning("not sent back: %s", counts, extra={"relay_id": fork.stream_id})

    def _bucket(self, name: str, size: float, a_second: float) -> TokenBucket:
        return self._buckets.setdefault(name, TokenBucket(size, a_second))


_UNUSABLE: Final = "100002"


def _unusable(detail: str) -> Error:
    return Error(None, _UNUSABLE, "unknown_error", detail)


def _size(event: ReturnEvent) -> int:
    match event:
        case ReturnMedia(audio=audio):
            return len(audio)
        case ReturnMark(name=name):
            return len(name)
        case _:
            return 0
