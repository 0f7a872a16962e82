"""`DELETE /v2/dialogflow_connections/{connection_id}`."""

import os

from callstream.surfaces.telnyx import TelnyxSurface
from callstream.surfaces.telnyx_dialogflow import DELETE, DeleteConnection
from callstream.wiring import endpoints
from callstream.wiring.connections import keyed_connections

handler = endpoints.handler(
    TelnyxSurface(), DELETE, DeleteConnection(keyed_connections(os.environ)), os.environ
)
