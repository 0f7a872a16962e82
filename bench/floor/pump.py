"""Runs as long as its consumer is connected, and passes the feed's messages on."""

import asyncio
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def _pump(consumer_url: str, feed_url: str) -> None:
    async with (
        connect(consumer_url, proxy=None, compression=None) as consumer,
        connect(feed_url, proxy=None, compression=None) as feed,
    ):
        # The consumer sends nothing; its close is the end.
        ended = asyncio.create_task(consumer.wait_closed())
        passing = asyncio.create_task(_pass_on(feed, consumer))
        await feed.send("subscribe")
        await asyncio.wait({ended, passing}, return_when=asyncio.FIRST_COMPLETED)
        passing.cancel()


async def _pass_on(feed: Any, consumer: Any) -> None:  # noqa: ANN401  # connections
    try:
        async for message in feed:
            for line in message.split("\n"):
                await consumer.send(line)
    except ConnectionClosed:
        pass


def handler(event: dict[str, str], _context: object) -> None:
    """Pump from the feed to the consumer."""
    asyncio.run(_pump(event["consumer_url"], event["feed_url"]))
