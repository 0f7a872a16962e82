"""`POST /api/laml/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams`."""

import os

from callstream.surfaces.signalwire import CREATE_STREAM, CreateStream, SignalwireSurface
from callstream.wiring import endpoints
from callstream.wiring.notifier import starter

handler = endpoints.handler(
    SignalwireSurface(),
    CREATE_STREAM,
    CreateStream(endpoints.relay_store(os.environ), starter(os.environ)),
    os.environ,
)
