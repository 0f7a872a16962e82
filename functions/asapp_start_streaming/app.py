"""`POST /mg-autotranscribe/v1/start-streaming`."""

import os

from callstream.adapters import endpoints
from callstream.surfaces.asapp import START_STREAMING, AsappSurface, StartStreaming

handler = endpoints.handler(
    AsappSurface(),
    START_STREAMING,
    StartStreaming(endpoints.transcriptions(os.environ)),
    os.environ,
)
