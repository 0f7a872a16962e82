"""`GET /v2/dialogflow_connections/{connection_id}`."""

import os

from callstream.surfaces.telnyx import TelnyxSurface
from callstream.surfaces.telnyx_dialogflow import GET, GetConnection
from callstream.wiring import endpoints
from callstream.wiring.connections import connection_store

handler = endpoints.handler(
    TelnyxSurface(), GET, GetConnection(connection_store(os.environ)), os.environ
)
