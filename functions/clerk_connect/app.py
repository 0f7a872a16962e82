"""`POST /public/twilio-connector/connect`."""

import os

from callstream.surfaces.clerk import CONNECT, ClerkSurface, GiveConnectUrl
from callstream.wiring import endpoints

handler = endpoints.handler(
    ClerkSurface(),
    CONNECT,
    GiveConnectUrl(endpoints.directory(os.environ), endpoints.media_urls(os.environ)),
    os.environ,
)
