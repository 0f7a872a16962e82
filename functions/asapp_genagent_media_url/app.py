"""`GET /mg-genagent/v1/twilio-media-stream-url`."""

import os

from callstream.surfaces.asapp import MEDIA_URL, AsappSurface, GiveMediaUrl
from callstream.wiring import endpoints

handler = endpoints.handler(
    AsappSurface(),
    MEDIA_URL["genagent"],
    GiveMediaUrl("genagent", endpoints.media_urls(os.environ)),
    os.environ,
)
