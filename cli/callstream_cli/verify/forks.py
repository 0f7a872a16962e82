"""Calls that are forked back into the gateway: the consumer of the fork is a media URL.

So no server is needed that the gateway can reach. What a consumer would send back goes to the same
connection, by API Gateway's @connections: to the relay, it comes from its consumer.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.store import StreamStore
from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnMedia
from callstream_cli.audio import FRAME_BYTES, TRACKS
from callstream_cli.carrier import forking
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.staying import FORK_COMMANDS
from callstream_cli.gateway import GatewayError, media_url
from callstream_cli.operator.errors import output
from callstream_cli.verify.calls import Placed, noise, place
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, noted
from callstream_cli.verify.landings import Calls
from callstream_cli.verify.tenants import Parties

ANSWERING: Final[CarrierName] = "telnyx"
"""The vendor whose forks send audio back."""
RETURNED: Final = "audio back through the fork"

# A fork of a cold stack waits for three functions, each of which starts for a second or more.
PATIENCE_SECONDS: Final = 45.0
_LONGEST_CALL_SECONDS: Final = 3 * PATIENCE_SECONDS
_LOOK_SECONDS: Final = 0.2
# Long enough for percentiles: a fork begins after a second, with 50 frames a track.
_FORKED_SECONDS: Final = 2.0
_POSTS: Final = 10
_POST_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Posted:
    """Audio that was sent to a relay as its consumer would, at seconds since 1970."""

    audio: bytes
    at: float


@dataclass(slots=True)
class Forked:
    """A call with its fork."""

    call: Placed
    commanded_at: float | None = None
    """In seconds since 1970; None if the call was not forked."""
    error: str = ""
    """Why the call was not forked."""
    not_possible: str = ""
    """Why the call cannot be forked on this stack."""
    came: bool = False
    posted: list[Posted] = field(default_factory=list)
    failures: list[Finding] = field(default_factory=list)
    """Why no audio, or not all, could be sent back."""


@dataclass(frozen=True, slots=True)
class Forks:
    """Makes calls that are forked back."""

    deployed: Deployed
    parties: Parties
    calls: Calls
    as_wss: Callable[[str], str]
    """Makes of a media URL a URL that all vendors take."""

    async def call(self, carrier: CarrierName) -> Forked:
        """Play a call until it has been forked back for some seconds.

        Raises:
            GatewayError: no endpoint gave a media URL for the call.
        """
        begun: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        audio = noise(TRACKS, _LONGEST_CALL_SECONDS)
        playing = asyncio.create_task(
            place(self.parties.caller.stack, carrier, audio, placed=begun.set_result)
        )
        try:
            await asyncio.wait({playing, begun}, return_when=asyncio.FIRST_COMPLETED)
            if not begun.done():
                await playing  # raises
            call = begun.result()
            await call.changed.wait()
            forked = Forked(call)
            if call.handshake_ms is not None:
                await self._fork(forked)
            call.report.hang_up()
            await playing
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        return forked

    async def _fork(self, forked: Forked) -> None:
        call = forked.call
        try:
            url = self.as_wss(
                await asyncio.to_thread(media_url, self.parties.consumer.stack, "genagent")
            )
            if call.carrier == "twilio" and urlsplit(url).query:
                forked.not_possible = "Twilio takes no URL with a query, as media URLs are here"
                return
            command = FORK_COMMANDS[call.carrier]
            await forking.fork(command, self.parties.caller.stack, call.call_id, url)
            # The call was known by now: earlier tries are not the fork's delay.
            forked.commanded_at = time.time()
        except GatewayError as error:
            forked.error = str(error)
            return

        async def came() -> str | None:
            known = await asyncio.to_thread(self.calls.call, self.parties.consumer.id, call.call_id)
            return known.streams[0] if known else None

        stream_id = await _until(came)
        if stream_id is None:
            return
        forked.came = True
        await asyncio.sleep(_FORKED_SECONDS)
        if call.carrier == ANSWERING:
            with noted(forked.failures, RETURNED):
                await self._answer(stream_id, forked)

    async def _answer(self, stream_id: str, forked: Forked) -> None:
        """Send audio to the relay, as a consumer would, and wait until the carrier has it."""
        table = DynamoTable(output(self.deployed.outputs, "StreamsTableName"))
        # Nothing is written, so that the retention does not matter.
        store = StreamStore(table, timedelta(0))
        stream = await asyncio.to_thread(store.stream, stream_id)
        if stream is None:
            return
        endpoint = self.deployed.media_endpoint("http")
        client: Any = self.deployed.client("apigatewaymanagementapi", endpoint_url=endpoint)
        audio = noise(("inbound",), _POSTS * _POST_SECONDS)["inbound"]
        size = len(audio) // _POSTS
        began = time.monotonic()
        for number in range(_POSTS):
            piece = audio[number * size : (number + 1) * size]
            text = DIALECTS[ANSWERING].render_return(ReturnMedia(piece), "")
            await asyncio.sleep(began + number * _POST_SECONDS - time.monotonic())
            at = time.time()
            await asyncio.to_thread(
                client.post_to_connection, ConnectionId=stream.connection_id, Data=text.encode()
            )
            forked.posted.append(Posted(piece, at))

        async def heard() -> bool:
            return len(forked.call.report.playback.received) >= len(audio)

        await _until(heard)


async def _until[T](look: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Look until there is something; None if there is nothing for a long time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (seen := await look()):
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(_LOOK_SECONDS)
    return seen


def returned_delays(posted: list[Posted], taken: list[tuple[int, bytes]]) -> list[float]:
    """Milliseconds from the consumer to the carrier, for each 20 ms of return audio.

    Args:
        posted: what the consumer sent, in order.
        taken: what the carrier's connection took, in order, with the times in milliseconds.
    """
    sent = [each.at * 1000 for each in posted for _ in range(len(each.audio) // FRAME_BYTES)]
    got = [at for at, audio in taken for _ in range(len(audio) // FRAME_BYTES)]
    return [after - before for before, after in zip(sent, got, strict=False)]
