"""`POST /v2/calls/{call_control_id}/actions/streaming_stop`."""

import os

from callstream.adapters import endpoints
from callstream.surfaces.telnyx import STREAMING_STOP, StopStreaming, TelnyxSurface

handler = endpoints.handler(
    TelnyxSurface(), STREAMING_STOP, StopStreaming(endpoints.relay_store(os.environ)), os.environ
)
