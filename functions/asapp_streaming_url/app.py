"""`POST /autotranscribe/v1/streaming-url`."""

import os

from callstream.surfaces.asapp import STREAMING_URL, AsappSurface, GiveStreamingUrl
from callstream.wiring import endpoints, transcription_commands

handler = endpoints.handler(
    AsappSurface(),
    STREAMING_URL,
    GiveStreamingUrl(
        endpoints.media_urls(os.environ), transcription_commands.transcriber(os.environ)
    ),
    os.environ,
)
