"""`POST /v2/calls/{call_control_id}/actions/streaming_start`."""

import os

from callstream.surfaces.telnyx import STREAMING_START, StartStreaming, TelnyxSurface
from callstream.wiring import endpoints
from callstream.wiring.dialogue_commands import virtual_agents
from callstream.wiring.notifier import starter

handler = endpoints.handler(
    TelnyxSurface(),
    STREAMING_START,
    StartStreaming(
        endpoints.relay_store(os.environ), starter(os.environ), virtual_agents(os.environ)
    ),
    os.environ,
)
