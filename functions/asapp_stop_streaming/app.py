"""`POST /mg-autotranscribe/v1/stop-streaming`."""

import os

from callstream.surfaces.asapp import STOP_STREAMING, AsappSurface, StopStreaming
from callstream.wiring import endpoints

handler = endpoints.handler(
    AsappSurface(), STOP_STREAMING, StopStreaming(endpoints.transcriptions(os.environ)), os.environ
)
