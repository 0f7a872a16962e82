"""A short call before the demo's own, which starts the functions.

A call that is forked and transcribed needs a dozen functions, and their starts keep a small machine
busy for seconds: without this call, the demo would show the starts and not the gateway.
"""

import asyncio
from collections.abc import Callable
from random import SystemRandom
from typing import Final

from callstream_cli import audio
from callstream_cli.carrier.identity import made_up
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.demo.consumers import VENDORS, Consumer
from callstream_cli.demo.forking import fork, listening
from callstream_cli.gateway import GatewayError, media_url, start_streaming, stop_streaming
from callstream_cli.local.description import StackDescription

_SILENCE: Final = audio.SILENCE * (2 * audio.BYTES_PER_MS * 1000)
# Few frames a second: the machine is busy enough.
_SPEED: Final = 0.1
_LOOK_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 30.0


async def rehearse(stack: StackDescription, *, transcribes: bool) -> None:
    """Play and fork silence, until every consumer has received some of it.

    Failures are not reported: the demo itself will meet and report them.

    Raises:
        GatewayError: the gateway gave no media URL, or does not transcribe.
    """
    consumers = [Consumer(vendor) for vendor in VENDORS]
    url = await asyncio.to_thread(media_url, stack, "autotranscribe")
    reports: list[CallReport] = []
    call_id = made_up("twilio", SystemRandom()).call_id
    plan = CallPlan(dict.fromkeys(audio.TRACKS, _SILENCE), call_id=call_id)
    if transcribes:
        await asyncio.to_thread(start_streaming, stack, call_id)
    async with listening(consumers) as consumer_urls:
        call = asyncio.create_task(place_call(url, plan, speed=_SPEED, watch=reports.append))
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await _until(lambda: bool(reports))
                await fork(stack, call_id, consumers, consumer_urls)
                await _until(lambda: all(each.ended or each.has_audio for each in consumers))
                if transcribes:
                    # Returns when nothing is transcribed any more.
                    await asyncio.to_thread(stop_streaming, stack, call_id)
                # The carrier disconnects without a stop, which ends the forks.
                call.cancel()
                await _until(lambda: all(each.ended for each in consumers))
        except (TimeoutError, GatewayError):
            pass
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # calls and forks have no event to wait for
        await asyncio.sleep(_LOOK_SECONDS)
