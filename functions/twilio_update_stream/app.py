"""`POST /2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams/{Sid}.json`."""

import os

from callstream.surfaces.twilio import UPDATE_STREAM, TwilioSurface, UpdateStream
from callstream.wiring import endpoints

handler = endpoints.handler(
    TwilioSurface(), UPDATE_STREAM, UpdateStream(endpoints.relay_store(os.environ)), os.environ
)
