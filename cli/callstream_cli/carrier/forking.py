"""Forks a call that has just begun, by a vendor's command."""

import asyncio
from collections.abc import Callable
from typing import Final

from callstream_cli.gateway import GatewayError
from callstream_cli.local.description import StackDescription

type ForkCommand = Callable[[StackDescription, str, str], None]
"""Sends a vendor's command, for a call id and the consumer's URL. Raises `GatewayError`."""

# The answers of the vendors for a call that they do not know (yet).
_UNKNOWN_CALL: Final = frozenset({404, 422})
_TRIES: Final = 40
_BETWEEN_TRIES_SECONDS: Final = 0.25


async def fork(command: ForkCommand, stack: StackDescription, call_id: str, url: str) -> None:
    """Fork a call to a consumer's URL as soon as the call is known.

    Raises:
        GatewayError: the call is not forked.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            await asyncio.to_thread(command, stack, call_id, url)
        except GatewayError as error:
            # A call's start is on Kinesis a moment before the call is known.
            if error.status not in _UNKNOWN_CALL or not tries_left:
                raise
            await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return
