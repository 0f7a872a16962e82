"""`POST /api/laml/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams/{Sid}`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.pipeline import Endpoint, logger
from callstream.surfaces.signalwire import UPDATE_STREAM, SignalwireSurface, UpdateStream

_endpoint = Endpoint(
    SignalwireSurface(),
    UPDATE_STREAM,
    endpoints.gate(os.environ),
    UpdateStream(endpoints.relay_store(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
