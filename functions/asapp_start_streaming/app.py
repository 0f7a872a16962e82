"""`POST /mg-autotranscribe/v1/start-streaming`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.asapp import START_STREAMING, AsappSurface, StartStreaming
from callstream.surfaces.pipeline import Endpoint, logger

_endpoint = Endpoint(
    AsappSurface(),
    START_STREAMING,
    endpoints.gate(os.environ),
    StartStreaming(endpoints.transcriptions(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
