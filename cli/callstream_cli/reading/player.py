"""Plays a script on a WebSocket."""

from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection

from callstream.dialects.events import Media
from callstream_cli.reading.script import Line, Script
from callstream_cli.sending import SendReport, send_paced


@dataclass(slots=True, kw_only=True)
class PlayReport(SendReport):
    """How the script was played. The report grows meanwhile."""

    frames: int = 0
    received: int = 0
    """Messages that came back; they are ignored."""


async def play(
    url: str,
    script: Script,
    *,
    speed: float = 1.0,
    watch: Callable[[PlayReport], object] = lambda _: None,
) -> PlayReport:
    """Send every line and hang up. A failure becomes the report's `error`; nothing is raised.

    Args:
        url: of the WebSocket.
        script: what to send.
        speed: times real time; 0 is as fast as the server takes it.
        watch: gets the report before anything is sent.
    """
    report = PlayReport()
    watch(report)

    async def send(connection: ClientConnection, line: Line) -> None:
        await connection.send(line.text)
        report.messages += 1
        report.frames += isinstance(line.event, Media)

    async def receive(connection: ClientConnection) -> None:
        async for _ in connection:
            report.received += 1

    await send_paced(
        url,
        script.lines,
        report,
        speed=speed,
        send=send,
        meanwhile=lambda connection: [receive(connection)],
    )
    return report
