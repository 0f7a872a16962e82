"""`POST /public/twilio-connector/connect`."""

import os
from typing import Any

from callstream.adapters import clock, endpoints
from callstream.surfaces.clerk import CONNECT, ClerkSurface, GiveConnectUrl
from callstream.surfaces.pipeline import Endpoint, logger

_endpoint = Endpoint(
    ClerkSurface(),
    CONNECT,
    endpoints.gate(os.environ),
    GiveConnectUrl(endpoints.directory(os.environ), endpoints.media_urls(os.environ)),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return _endpoint.answer(event, clock.now())
