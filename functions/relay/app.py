"""Runs one relay, from dialling its consumer to its end; started asynchronously by a command."""

import asyncio
import logging
import os
from typing import Any

from callstream.relays.invocation import RelayInvocation, RunKind
from callstream.relays.run import RelayRun
from callstream.wiring.relays import RelayRunFactory

_logger = logging.getLogger("callstream")
_room = RelayRunFactory(os.environ)


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401  # Lambda's context
    """Run the relay that the event names, or go on with it."""
    invocation = RelayInvocation.decode(event)
    ports = _room.ports(invocation, context.get_remaining_time_in_millis() / 1000)
    told = {"relay_id": invocation.relay_id}
    if ports is None:
        _logger.warning("no such relay, or it has been started before", extra=told)
        return
    run = RelayRun(ports)
    begin = {
        RunKind.FIRST: run.run,
        RunKind.SUCCESSOR: run.succeed,
        RunKind.RESCUE: run.take_over,
    }
    over = asyncio.run(begin[invocation.run_as]())
    _logger.info("relay over: %s", over, extra=told)
