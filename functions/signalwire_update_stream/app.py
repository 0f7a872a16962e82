"""`POST /api/laml/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams/{Sid}`."""

import os

from callstream.surfaces.signalwire import UPDATE_STREAM, SignalwireSurface, UpdateStream
from callstream.wiring import endpoints

handler = endpoints.handler(
    SignalwireSurface(), UPDATE_STREAM, UpdateStream(endpoints.relay_store(os.environ)), os.environ
)
