"""`POST /v2/dialogflow_connections/{connection_id}`."""

import os

from callstream.surfaces.telnyx import TelnyxSurface
from callstream.surfaces.telnyx_dialogflow import CREATE, CreateConnection
from callstream.wiring import endpoints
from callstream.wiring.connections import keyed_connections

handler = endpoints.handler(
    TelnyxSurface(),
    CREATE,
    CreateConnection(keyed_connections(os.environ), endpoints.rate_limiter(os.environ)),
    os.environ,
)
