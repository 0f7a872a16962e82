"""`GET /mg-autotranscribe/v1/twilio-media-stream-url`."""

import os

from callstream.surfaces.asapp import MEDIA_URL, AsappSurface, GiveMediaUrl
from callstream.wiring import endpoints

handler = endpoints.handler(
    AsappSurface(),
    MEDIA_URL["autotranscribe"],
    GiveMediaUrl("autotranscribe", endpoints.media_urls(os.environ)),
    os.environ,
)
