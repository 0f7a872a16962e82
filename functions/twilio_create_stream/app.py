"""`POST /2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams.json`."""

import os

from callstream.surfaces.twilio import CREATE_STREAM, CreateStream, TwilioSurface
from callstream.wiring import endpoints
from callstream.wiring.notifier import starter

handler = endpoints.handler(
    TwilioSurface(),
    CREATE_STREAM,
    CreateStream(endpoints.relay_store(os.environ), starter(os.environ)),
    os.environ,
)
