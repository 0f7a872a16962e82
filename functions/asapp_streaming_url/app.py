"""`POST /autotranscribe/v1/streaming-url`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.asapp import STREAMING_URL, AsappSurface, GiveStreamingUrl
from callstream.surfaces.pipeline import Endpoint, logger

_endpoint = Endpoint(
    AsappSurface(),
    STREAMING_URL,
    endpoints.gate(os.environ),
    GiveStreamingUrl(endpoints.media_urls(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
