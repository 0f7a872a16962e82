"""`GET /mg-genagent/v1/twilio-media-stream-url`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.asapp import MEDIA_URL, AsappSurface, GiveMediaUrl
from callstream.surfaces.pipeline import Endpoint, logger

_endpoint = Endpoint(
    AsappSurface(),
    MEDIA_URL["genagent"],
    endpoints.gate(os.environ),
    GiveMediaUrl("genagent", endpoints.media_urls(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
