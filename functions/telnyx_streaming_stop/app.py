"""`POST /v2/calls/{call_control_id}/actions/streaming_stop`."""

import os

from callstream.surfaces.telnyx import STREAMING_STOP, StopStreaming, TelnyxSurface
from callstream.wiring import endpoints

handler = endpoints.handler(
    TelnyxSurface(), STREAMING_STOP, StopStreaming(endpoints.relay_store(os.environ)), os.environ
)
