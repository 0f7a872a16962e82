"""One simulated call on a WebSocket."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from callstream.dialects.events import Media, Track
from callstream.errors import UnreadableMessage
from callstream_cli.carrier.identity import Identity
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Message
from callstream_cli.carrier.playback import Playback

_OPEN_SECONDS: Final = 15
# Longer than any server that is alive needs to take what the socket's buffers hold.
_STALL_SECONDS: Final = 30
# At speed 0, how many messages are sent before the server must have answered a ping.
_IN_FLIGHT: Final = 100


@dataclass(slots=True)
class CallReport:
    """What a call sent, and how it went."""

    identity: Identity
    messages: int = 0
    """Everything that was sent, of every kind."""
    frames: Counter[Track] = field(default_factory=Counter)
    """Frames sent whole, each counted once."""
    fates: Counter[Fate] = field(default_factory=Counter)
    """Media messages by what happened to them."""
    behind_seconds: float = 0.0
    """How late the latest message was."""
    seconds: float = 0.0
    close_code: int | None = None
    error: str | None = None
    playback: Playback = field(default_factory=Playback)
    unreadable: int = 0
    """Messages of the server that the carrier would not understand."""
    sent_at: dict[int, float] = field(default_factory=dict)
    """When each sequence number was first sent whole, in seconds since 1970."""
    _media: dict[tuple[Track, int], Media] = field(default_factory=dict)

    def count(self, message: Message, now: float) -> None:
        """Count one message of the plan, at this many seconds since 1970."""
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
        """What was sent of a track, in order: what a perfect receiver has."""
        return b"".join(
            media.audio
            for (of_track, _), media in sorted(self._media.items(), key=itemgetter(0))
            if of_track == track
        )

    def frame_sent_at(self, track: Track, chunk: int) -> float | None:
        """When a frame was sent, by its number on the track; None if it was not (yet)."""
        media = self._media.get((track, chunk))
        return None if media is None else self.sent_at[media.sequence]


type Watcher = Callable[[CallReport], object]
"""Is called when a call begins, before anything is sent; the report then grows."""


async def place_call(
    url: str, plan: CallPlan, *, speed: float = 1.0, watch: Watcher = lambda _: None
) -> CallReport:
    """Play a call, and report. What goes wrong with it is the report's `error`; nothing is raised.

    Args:
        url: the media URL.
        plan: what to send.
        speed: how much faster than real time; 0 is as fast as the server takes it, with a bounded
            number of messages in flight.
        watch: gets the report before anything is sent; it then grows.
    """
    carrier = Carrier(plan, time.time())
    report = CallReport(carrier.identity, playback=Playback(speed))
    watch(report)
    try:
        # As Twilio, which offers no compression and sends no pings.
        socket = await connect(
            url,
            proxy=None,
            compression=None,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_STALL_SECONDS,
            ping_interval=None,
        )
    except (OSError, WebSocketException) as error:
        report.error = _refusal(url, error)
        return report
    began = time.monotonic()
    try:
        await _Call(socket, carrier, report, speed).play()
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        how = f"closed the connection with code {code}" if code else "dropped the connection"
        report.error = f"the gateway {how} after {report.messages} messages"
    except TimeoutError:
        report.error = f"the gateway has taken nothing for {_STALL_SECONDS} seconds"
    except asyncio.CancelledError:
        # Whoever gives up does not wait for a goodbye.
        socket.transport.abort()
        raise
    report.close_code = socket.close_code
    report.seconds = time.monotonic() - began
    return report


def _refusal(url: str, error: Exception) -> str:
    """Why there is no connection. Never names the whole URL, which holds the token."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}"
    match error:
        case InvalidStatus(response=response) if response.status_code in {401, 403}:
            why = "the URL's token is wrong, has expired or has been used"
            return f"{where} refused the call with HTTP {response.status_code}: {why}"
        case InvalidStatus(response=response):
            return f"{where} answered with HTTP {response.status_code} instead of a WebSocket"
        case InvalidURI():
            return "the media URL is not a WebSocket URL (ws:// or wss://)"
        case TimeoutError():
            return f"{where} has not answered for {_OPEN_SECONDS} seconds"
        case OSError(errno=int(number)):
            return f"{where} cannot be reached: {os.strerror(number)}"
        case _:
            return f"{where} cannot be reached: {error}"


class _Call:
    def __init__(
        self, socket: ClientConnection, carrier: Carrier, report: CallReport, speed: float
    ) -> None:
        self._socket = socket
        self._carrier = carrier
        self._report = report
        self._speed = speed
        self._playback_changed = asyncio.Event()

    async def play(self) -> None:
        """Send everything and hang up.

        Raises:
            ConnectionClosed: the server has hung up before.
            TimeoutError: the server takes nothing any more.
        """
        helpers = [asyncio.create_task(self._listen()), asyncio.create_task(self._echo_marks())]
        try:
            await self._send_all()
            # Listening goes on: a close is only read when what came before it has been read.
            await self._socket.close()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _send_all(self) -> None:
        began = time.monotonic()
        for message in self._carrier.messages():
            if self._speed:
                target = began + message.at / self._speed
                if (early := target - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                behind = time.monotonic() - target
                self._report.behind_seconds = max(self._report.behind_seconds, behind)
            now = time.time()
            if message.fate is not Fate.DROPPED:
                await self._send(message.text)
            self._report.count(message, now)
            if not self._speed and self._report.messages % _IN_FLIGHT == 0:
                async with asyncio.timeout(_STALL_SECONDS):
                    await (await self._socket.ping())

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(_STALL_SECONDS):
            await self._socket.send(text)

    async def _listen(self) -> None:
        playback = self._report.playback
        async for text in self._socket:
            try:
                event = self._carrier.understand(text)
            except UnreadableMessage:
                self._report.unreadable += 1
            else:
                playback.take(event, time.monotonic())
                self._playback_changed.set()

    async def _echo_marks(self) -> None:
        playback = self._report.playback
        while True:
            due_at = playback.next_mark_at
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due_at is None else due_at - time.monotonic()):
                    await self._playback_changed.wait()
            self._playback_changed.clear()
            for name in playback.due(time.monotonic()):
                await self._send(self._carrier.mark(name))
                self._report.messages += 1
