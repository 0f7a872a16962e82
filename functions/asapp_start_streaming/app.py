"""`POST /mg-autotranscribe/v1/start-streaming`."""

import os

from callstream.surfaces.asapp import START_STREAMING, AsappSurface, StartStreaming
from callstream.wiring import endpoints

handler = endpoints.handler(
    AsappSurface(),
    START_STREAMING,
    StartStreaming(endpoints.transcriptions(os.environ)),
    os.environ,
)
