"""`POST /v2/calls/{call_control_id}/actions/streaming_start`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.pipeline import Endpoint, logger
from callstream.surfaces.telnyx import STREAMING_START, StartStreaming, TelnyxSurface

_endpoint = Endpoint(
    TelnyxSurface(),
    STREAMING_START,
    endpoints.gate(os.environ),
    StartStreaming(endpoints.relay_store(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
