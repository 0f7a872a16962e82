"""`POST /mg-autotranscribe/v1/stop-streaming`."""

import os

from callstream.surfaces.asapp import STOP_STREAMING, AsappSurface
from callstream.surfaces.asapp_transcription import StopStreaming
from callstream.wiring import endpoints, transcription_commands

handler = endpoints.handler(
    AsappSurface(),
    STOP_STREAMING,
    StopStreaming(transcription_commands.transcription_stop(os.environ)),
    os.environ,
)
