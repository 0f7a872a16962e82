"""Forks the demo's call: to consumers in this process, by the vendors' commands."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from callstream.frames.records import RecordEvent
from callstream_cli.demo.consumers import Consumer
from callstream_cli.gateway import GatewayError
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Listener
from callstream_cli.local.description import StackDescription

# The answers of SignalWire and Telnyx for a call that they do not know (yet).
_UNKNOWN_CALL: Final = frozenset({404, 422})
_TRIES: Final = 40
_BETWEEN_TRIES_SECONDS: Final = 0.25


@asynccontextmanager
async def listening(consumers: Sequence[Consumer]) -> AsyncIterator[Sequence[str]]:
    """Open a listener for each consumer, and yield the URLs of the listeners."""
    async with AsyncExitStack() as listeners:
        yield [
            (
                await listeners.enter_async_context(
                    Listener(tls=consumer.vendor.tls, watch=partial(_take, consumer))
                )
            ).url
            for consumer in consumers
        ]


def _take(consumer: Consumer, state: ForkState, event: RecordEvent) -> None:
    consumer.take(state, event, time.time())


async def fork(
    stack: StackDescription, call_id: str, consumers: Sequence[Consumer], urls: Sequence[str]
) -> None:
    """Fork a call to each consumer. A failure becomes the consumer's `error`."""
    await asyncio.gather(
        *(
            _fork(stack, call_id, consumer, url)
            for consumer, url in zip(consumers, urls, strict=True)
        )
    )


async def _fork(stack: StackDescription, call_id: str, consumer: Consumer, url: str) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            await asyncio.to_thread(consumer.vendor.ask, stack, call_id, url)
        except GatewayError as error:
            # A call's start is on Kinesis a moment before the call is known.
            if error.status not in _UNKNOWN_CALL or not tries_left:
                consumer.error = str(error)
                return
            await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return
