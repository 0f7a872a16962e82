"""`POST /api/laml/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.pipeline import Endpoint, logger
from callstream.surfaces.signalwire import CREATE_STREAM, CreateStream, SignalwireSurface

_endpoint = Endpoint(
    SignalwireSurface(),
    CREATE_STREAM,
    endpoints.gate(os.environ),
    CreateStream(endpoints.relay_store(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
