"""`POST /mg-autotranscribe/v1/start-streaming`."""

import os

from callstream.surfaces.asapp import START_STREAMING, AsappSurface
from callstream.surfaces.asapp_transcription import StartStreaming
from callstream.wiring import endpoints, transcription_commands

handler = endpoints.handler(
    AsappSurface(),
    START_STREAMING,
    StartStreaming(
        transcription_commands.transcription_starter(os.environ),
        transcription_commands.transcriber(os.environ),
    ),
    os.environ,
)
