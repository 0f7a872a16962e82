"""`POST /autotranscribe/v1/streaming-url`."""

import os

from callstream.adapters import endpoints
from callstream.surfaces.asapp import STREAMING_URL, AsappSurface, GiveStreamingUrl

handler = endpoints.handler(
    AsappSurface(), STREAMING_URL, GiveStreamingUrl(endpoints.media_urls(os.environ)), os.environ
)
