"""`PUT /v2/dialogflow_connections/{connection_id}`."""

import os

from callstream.surfaces.telnyx import TelnyxSurface
from callstream.surfaces.telnyx_dialogflow import UPDATE, UpdateConnection
from callstream.wiring import endpoints
from callstream.wiring.connections import keyed_connections

handler = endpoints.handler(
    TelnyxSurface(),
    UPDATE,
    UpdateConnection(keyed_connections(os.environ), endpoints.rate_limiter(os.environ)),
    os.environ,
)
