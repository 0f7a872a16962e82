"""A connection on which hardly anything is sent, and nothing comes back but keep-alive marks."""

from typing import Final

from callstream_cli.audio import FRAME_MS
from callstream_cli.local.description import StackDescription
from callstream_cli.verify.calls import Placed, noise, place
from callstream_cli.verify.findings import Finding, judged

CHECK: Final = "a connection that stays open"
IDLE_MINUTES: Final = 10
"""CloudFront closes a connection on which the client receives nothing for so long."""
_SECONDS_A_FRAME: Final = 10


async def stay(stack: StackDescription, minutes: float) -> tuple[Finding, int]:
    """Keep a connection open; the other value is how many marks have come.

    Raises:
        GatewayError: no endpoint gave a URL.
    """
    frames = max(1, round(minutes * 60 / _SECONDS_A_FRAME))
    audio = noise(("inbound",), frames * FRAME_MS / 1000)
    speed = FRAME_MS / 1000 / _SECONDS_A_FRAME
    placed: Placed = await place(stack, "twilio", audio, speed=speed)
    report = placed.report
    marks = report.playback.marks
    text = f"{report.seconds / 60:.1f} minutes, with {marks} keep-alive marks"
    return judged(CHECK, [report.error] if report.error else [], text, marks=marks), marks
