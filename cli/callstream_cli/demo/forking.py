"""Forks the demo's call: to consumers in this process, by the vendors' commands."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from callstream.frames.records import RecordEvent
from callstream_cli.carrier import forking
from callstream_cli.demo.consumers import Consumer
from callstream_cli.gateway import GatewayError
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Listener
from callstream_cli.local.description import StackDescription


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
    try:
        await forking.fork(consumer.vendor.ask, stack, call_id, url)
    except GatewayError as error:
        consumer.error = str(error)
