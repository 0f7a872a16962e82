"""One simulated call on a WebSocket."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter

from websockets.asyncio.client import ClientConnection

from callstream.dialects.events import Media, Track
from callstream.errors import UnreadableMessage
from callstream_cli.carrier.identity import Identity
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Message
from callstream_cli.carrier.playback import Playback
from callstream_cli.sending import SendReport, send_paced


@dataclass(slots=True, kw_only=True)
class CallReport(SendReport):
    """What a call sent and received. The report grows during the call."""

    identity: Identity
    frames: Counter[Track] = field(default_factory=Counter)
    """Frames that were sent undamaged, each counted once."""
    fates: Counter[Fate] = field(default_factory=Counter)
    """Media messages by what happened to them."""
    playback: Playback = field(default_factory=Playback)
    unreadable: int = 0
    """Messages of the server that the carrier would not understand."""
    sent_at: dict[int, float] = field(default_factory=dict)
    """When each sequence number was first sent undamaged, in seconds since 1970."""
    _media: dict[tuple[Track, int], Media] = field(default_factory=dict)
    _hang_up: Callable[[], None] = lambda: None

    def hang_up(self) -> None:
        """End the call now, with a stop message."""
        self._hang_up()

    def count(self, message: Message, now: float) -> None:
        """Count one message of the plan, sent at `now` in seconds since 1970."""
        if message.fate is not Fate.DROPPED:
            self.messages += 1
        match message.event:
            case Media() as media:
                self.fates[message.fate] += 1
                if message.fate in {Fate.SENT, Fate.DUPLICATE}:
                    self.sent_at.setdefault(media.sequence, now)
                if message.fate is Fate.SENT:
                    self.frames[media.track] += 1
                    self._media[media.track, media.chunk] = media

    def audio(self, track: Track) -> bytes:
        """The audio that was sent on a track, in order: what a perfect receiver has."""
        return b"".join(
            media.audio
            for (of_track, _), media in sorted(self._media.items(), key=itemgetter(0))
            if of_track == track
        )

    def frame_sent_at(self, track: Track, chunk: int) -> float | None:
        """When a frame was sent, by its chunk number; None if it was not sent (yet)."""
        media = self._media.get((track, chunk))
        return None if media is None else self.sent_at[media.sequence]


type Watcher = Callable[[CallReport], object]
"""Gets a call's report, which grows."""


async def place_call(
    url: str,
    plan: CallPlan,
    *,
    speed: float = 1.0,
    watch: Watcher = lambda _: None,
    connected: Watcher = lambda _: None,
) -> CallReport:
    """Play a call, and report. A failure becomes the report's `error`; nothing is raised.

    Args:
        url: the media URL.
        plan: what to send.
        speed: times real time; 0 is as fast as the server takes it.
        watch: gets the report before anything is sent.
        connected: gets the report once the gateway has taken the connection.
    """
    carrier = Carrier(plan, time.time())
    report = CallReport(
        identity=carrier.identity,
        playback=Playback(speed, plan.format),
        _hang_up=carrier.hang_up,
    )
    watch(report)
    call = _Call(carrier, report, connected)
    await send_paced(
        url, carrier.messages(), report, speed=speed, send=call.send, meanwhile=call.meanwhile
    )
    return report


class _Call:
    def __init__(self, carrier: Carrier, report: CallReport, connected: Watcher) -> None:
        self._carrier = carrier
        self._report = report
        self._connected = connected
        self._playback_changed = asyncio.Event()

    async def send(self, connection: ClientConnection, message: Message) -> None:
        now = time.time()
        if not self._report.messages:
            self._report.playback.begin(time.monotonic())
        if message.fate is not Fate.DROPPED:
            await connection.send(message.text)
        self._report.count(message, now)

    def meanwhile(self, connection: ClientConnection) -> Sequence[Coroutine[None, None, None]]:
        self._connected(self._report)
        return [self._receive(connection), self._echo_marks(connection)]

    async def _receive(self, connection: ClientConnection) -> None:
        playback = self._report.playback
        async for text in connection:
            try:
                event = self._carrier.parse_return(text)
            except UnreadableMessage:
                self._report.unreadable += 1
            else:
                playback.take(event, time.monotonic())
                self._playback_changed.set()

    async def _echo_marks(self, connection: ClientConnection) -> None:
        playback = self._report.playback
        while True:
            due_at = playback.next_mark_at
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due_at is None else due_at - time.monotonic()):
                    await self._playback_changed.wait()
            self._playback_changed.clear()
            for name in playback.due(time.monotonic()):
                await connection.send(self._carrier.mark(name))
                self._report.messages += 1
