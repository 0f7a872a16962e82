"""The calls of a run: URLs are asked for, calls are placed, and both are timed."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Final

from callstream.dialects.events import Track
from callstream_cli.audio import FRAME_BYTES
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Faults
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.gateway import clerk_media_url, media_url
from callstream_cli.local.description import StackDescription
from callstream_cli.verify.tenants import INBOX

type Endpoint = Callable[[StackDescription], str]
"""Asks an endpoint for a media URL. Raises `GatewayError`."""

# One endpoint for each kind of URL; Clerk Chat's URLs open one stream.
ENDPOINTS: Final[Mapping[CarrierName, Endpoint]] = {
    "twilio": lambda stack: clerk_media_url(stack, INBOX),
    "telnyx": lambda stack: media_url(stack, "autotranscribe"),
    "signalwire": lambda stack: media_url(stack, "genagent"),
}
"""By the carrier that streams to the URL."""

_FRAMES_A_SECOND: Final = 50


@dataclass(slots=True)
class Placed:
    """One call, its times in milliseconds, and what it sent."""

    carrier: CarrierName
    minted_ms: float
    report: CallReport
    handshake_ms: float | None = None
    """None until the gateway has taken the connection."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the call is connected, or over."""

    @property
    def call_id(self) -> str:
        """The carrier's id of the call."""
        return self.report.identity.call_id


async def minted(stack: StackDescription, endpoint: Endpoint) -> tuple[str, float]:
    """A media URL, and how long the request took, in milliseconds. Raises `GatewayError`."""
    began = time.monotonic()
    url = await asyncio.to_thread(endpoint, stack)
    return url, (time.monotonic() - began) * 1000


def noise(tracks: tuple[Track, ...], seconds: float) -> Mapping[Track, bytes]:
    """Audio of which every frame is unlike every other, so that its place in a call is known."""
    random = Random(SystemRandom().random())  # noqa: S311 - not a secret
    return {
        track: random.randbytes(round(seconds * _FRAMES_A_SECOND) * FRAME_BYTES) for track in tracks
    }


async def place(
    stack: StackDescription,
    carrier: CarrierName,
    tracks: Mapping[Track, bytes],
    *,
    faults: Faults | None = None,
    placed: Callable[[Placed], object] = lambda _: None,
    speed: float = 1.0,
) -> Placed:
    """Ask for a URL, and play a call. What the call itself meets is in the report.

    Args:
        stack: with the credentials of the tenant whose call this is.
        carrier: whose messages are sent, and whose endpoint is asked.
        tracks: the audio.
        faults: of the network, for tests.
        placed: gets the call before it begins.
        speed: times real time.

    Raises:
        GatewayError: no endpoint gave a URL.
    """
    url, minted_ms = await minted(stack, ENDPOINTS[carrier])
    plan = CallPlan(tracks, faults or Faults(), carrier=carrier)
    calls: list[Placed] = []
    began = time.monotonic()

    def watch(report: CallReport) -> None:
        calls.append(Placed(carrier, minted_ms, report))
        placed(calls[0])

    def connected(_: CallReport) -> None:
        calls[0].handshake_ms = (time.monotonic() - began) * 1000
        calls[0].changed.set()

    await place_call(url, plan, speed=speed, watch=watch, connected=connected)
    calls[0].changed.set()
    return calls[0]
