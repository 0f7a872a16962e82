"""`POST /public/twilio-connector/connect`."""

import os

from callstream.adapters import endpoints
from callstream.surfaces.clerk import CONNECT, ClerkSurface, GiveConnectUrl

handler = endpoints.handler(
    ClerkSurface(),
    CONNECT,
    GiveConnectUrl(endpoints.directory(os.environ), endpoints.media_urls(os.environ)),
    os.environ,
)
