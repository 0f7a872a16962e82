"""`POST /mg-autotranscribe/v1/stop-streaming`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.asapp import STOP_STREAMING, AsappSurface, StopStreaming
from callstream.surfaces.pipeline import Endpoint, logger

_endpoint = Endpoint(
    AsappSurface(),
    STOP_STREAMING,
    endpoints.gate(os.environ),
    StopStreaming(endpoints.transcriptions(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
