"""Plays a script on a WebSocket."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from callstream.dialects.events import Media
from callstream_cli.reading.script import Script

_OPEN_SECONDS: Final = 15
# Longer than any server that is alive needs to take what the socket's buffers hold.
_STALL_SECONDS: Final = 30
# At speed 0, how many messages are sent before the server must have answered a ping.
_IN_FLIGHT: Final = 100
_LARGEST_SHOWN: Final = 200


@dataclass(slots=True)
class PlayReport:
    """How it went. Grows while it is played."""

    messages: int = 0
    frames: int = 0
    received: int = 0
    """Messages that came back; they are not acted upon."""
    behind_seconds: float = 0.0
    """How late the latest message was."""
    seconds: float = 0.0
    close_code: int | None = None
    error: str | None = None


async def play(
    url: str,
    script: Script,
    *,
    speed: float = 1.0,
    watch: Callable[[PlayReport], object] = lambda _: None,
) -> PlayReport:
    """Send every line and hang up. What goes wrong is the report's `error`; nothing is raised.

    Args:
        url: of the WebSocket.
        script: what to send.
        speed: times real time; 0 is as fast as the server takes it, with a bounded number of
            messages in flight.
        watch: gets the report before anything is sent.
    """
    report = PlayReport()
    watch(report)
    try:
        # As carriers: no compression, no pings.
        socket = await connect(
            url,
            proxy=None,
            compression=None,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_STALL_SECONDS,
            ping_interval=None,
        )
    except (OSError, WebSocketException, ValueError) as error:
        report.error = _refusal(url, error)
        return report
    began = time.monotonic()
    listening = asyncio.create_task(_listen(socket, report))
    try:
        await _send(socket, script, report, speed)
        await socket.close()
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        how = f"closed the connection with code {code}" if code else "dropped the connection"
        report.error = f"{_where(url)} {how} after {report.messages} messages"
    except TimeoutError:
        report.error = f"{_where(url)} has taken nothing for {_STALL_SECONDS} seconds"
    except asyncio.CancelledError:
        # Whoever gives up does not wait for a goodbye.
        socket.transport.abort()
        raise
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    report.close_code = socket.close_code
    report.seconds = time.monotonic() - began
    return report


async def _send(socket: ClientConnection, script: Script, report: PlayReport, speed: float) -> None:
    began = time.monotonic()
    for line in script.lines:
        if speed:
            target = began + line.at / speed
            if (early := target - time.monotonic()) > 0:
                await asyncio.sleep(early)
            report.behind_seconds = max(report.behind_seconds, time.monotonic() - target)
        async with asyncio.timeout(_STALL_SECONDS):
            await socket.send(line.text)
            report.messages += 1
            report.frames += isinstance(line.event, Media)
            if not speed and report.messages % _IN_FLIGHT == 0:
                await (await socket.ping())


async def _listen(socket: ClientConnection, report: PlayReport) -> None:
    async for _ in socket:
        report.received += 1


def _where(url: str) -> str:
    """A URL without what may be secret in it: a media URL holds a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _refusal(url: str, error: Exception) -> str:
    """Why there is no connection."""
    match error:
        case InvalidStatus(response=response) if response.status_code in {401, 403}:
            why = "its token is wrong, has expired or has been used"
            return f"{_where(url)} refused the stream with HTTP {response.status_code}: {why}"
        case InvalidStatus(response=response):
            return f"{_where(url)} answered with HTTP {response.status_code}, not as a WebSocket"
        case InvalidURI() | ValueError():
            return "that is not the URL of a WebSocket (ws:// or wss://)"
        case TimeoutError():
            return f"{_where(url)} has not answered for {_OPEN_SECONDS} seconds"
        case OSError(errno=int(number)) if number > 0:
            return f"{_where(url)} cannot be reached: {os.strerror(number)}"
        case _:
            return f"{_where(url)} cannot be reached: {str(error)[:_LARGEST_SHOWN]}"
