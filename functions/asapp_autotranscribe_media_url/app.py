"""`GET /mg-autotranscribe/v1/twilio-media-stream-url`."""

from typing import Any

from callstream.adapters import clock
from callstream.adapters.endpoints import EndpointParts
from callstream.surfaces.asapp import AsappSurface, MediaUrlEndpoint
from callstream.surfaces.pipeline import logger, serve

_parts = EndpointParts.from_environment()
_endpoint = MediaUrlEndpoint("autotranscribe", _parts.keys, _parts.settings.media_url)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return serve(AsappSurface(), _parts.gate, _endpoint, event, clock.now())
