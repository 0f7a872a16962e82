"""Runs a relay, from dialling its consumer to its end; started asynchronously."""

import asyncio
import logging
import os
from typing import Any

from callstream.relays.invocation import RelayInvocation
from callstream.wiring.relays import RelayRunFactory

_logger = logging.getLogger("callstream")
# Lambda freezes the process when the handler returns.
_FLUSH_SECONDS = 2.0
_factory = RelayRunFactory(os.environ)


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401  # Lambda's context
    """Do the run that the event asks for."""
    invocation = RelayInvocation.decode(event)
    extra = {"relay_id": invocation.relay_id}
    run = _factory.make(invocation, context.get_remaining_time_in_millis() / 1000)
    if run is None:
        return
    try:
        outcome = asyncio.run(run.run(invocation.run_as))
    finally:
        _factory.answers.flush(_FLUSH_SECONDS)
    _logger.info("run over: %s", outcome, extra=extra)
