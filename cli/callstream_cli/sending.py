"""Sends messages to a WebSocket at their own pace, as a carrier does."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from callstream_cli import close_codes

_OPEN_SECONDS: Final = 15
# Longer than any server that is alive needs to take what the socket's buffers hold.
_STALL_SECONDS: Final = 30
# At speed 0, how many messages are sent before the server must have answered a ping.
_IN_FLIGHT: Final = 100
_MAX_ERROR_LENGTH: Final = 200


class Timed(Protocol):
    """A message with its time."""

    @property
    def at(self) -> float:
        """When the message is sent, in seconds of the stream's own time."""


@dataclass(slots=True, kw_only=True)
class SendReport:
    """The course of one connection. The report grows while messages are sent."""

    messages: int = 0
    """All messages that were sent, of every kind; counted by the caller."""
    behind_seconds: float = 0.0
    """The greatest delay of a message."""
    seconds: float = 0.0
    close_code: int | None = None
    error: str | None = None


async def send_paced[Message: Timed](
    url: str,
    messages: Iterable[Message],
    report: SendReport,
    *,
    speed: float,
    send: Callable[[ClientConnection, Message], Awaitable[None]],
    meanwhile: Callable[[ClientConnection], Sequence[Coroutine[None, None, None]]],
) -> None:
    """Connect, send every message, and close. A failure becomes `report.error`; nothing is raised.

    Args:
        url: of the WebSocket.
        messages: what to send, in the order of their times.
        report: is filled in.
        speed: times real time; 0 is as fast as the server takes it, with a bounded number of
            messages in flight.
        send: sends one message, and counts it in the report.
        meanwhile: what else to do while the connection is open: it must read.
    """
    try:
        # As Twilio, which offers no compression and sends no pings.
        connection = await connect(
            url,
            proxy=None,
            compression=None,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_STALL_SECONDS,
            ping_interval=None,
        )
    except (OSError, WebSocketException, ValueError) as error:
        report.error = _refusal(url, error)
        return
    began = time.monotonic()
    helpers = [asyncio.create_task(each) for each in meanwhile(connection)]
    try:
        await _send_all(connection, messages, report, speed, send)
        # Reading goes on: a close is only read when all before it has been read.
        await connection.close()
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        how = "dropped the connection"
        if code:
            how = f"closed the connection with code {close_codes.in_words(code)}"
        report.error = f"{_where(url)} {how} after {report.messages} messages"
    except TimeoutError:
        report.error = f"{_where(url)} has taken nothing for {_STALL_SECONDS} seconds"
    except asyncio.CancelledError:
        # A caller that gives up does not wait for the closing handshake.
        connection.transport.abort()
        raise
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    report.close_code = connection.close_code
    report.seconds = time.monotonic() - began


async def _send_all[Message: Timed](
    connection: ClientConnection,
    messages: Iterable[Message],
    report: SendReport,
    speed: float,
    send: Callable[[ClientConnection, Message], Awaitable[None]],
) -> None:
    began = time.monotonic()
    for message in messages:
        if speed:
            target = began + message.at / speed
            if (early := target - time.monotonic()) > 0:
                await asyncio.sleep(early)
            report.behind_seconds = max(report.behind_seconds, time.monotonic() - target)
        async with asyncio.timeout(_STALL_SECONDS):
            await send(connection, message)
            if not speed and report.messages % _IN_FLIGHT == 0:
                await (await connection.ping())


def _where(url: str) -> str:
    """A URL without its secret parts: a media URL holds a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _refusal(url: str, error: Exception) -> str:
    """Why there is no connection."""
    match error:
        case InvalidStatus(response=response) if response.status_code in {401, 403}:
            why = "the URL's token is wrong, has expired or has been used"
            return f"{_where(url)} refused the connection with HTTP {response.status_code}: {why}"
        case InvalidStatus(response=response):
            status = response.status_code
            return f"{_where(url)} answered with HTTP {status} instead of a WebSocket"
        case InvalidURI() | ValueError():
            return "the URL is not a WebSocket URL (ws:// or wss://)"
        case TimeoutError():
            return f"{_where(url)} has not answered for {_OPEN_SECONDS} seconds"
        case OSError(errno=int(number)) if number > 0:
            return f"{_where(url)} cannot be reached: {os.strerror(number)}"
        case _:
            return f"{_where(url)} cannot be reached: {str(error)[:_MAX_ERROR_LENGTH]}"
