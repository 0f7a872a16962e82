"""`POST /mg-autotranscribe/v1/start-streaming`."""

import os

from callstream.surfaces.asapp import START_STREAMING, AsappSurface
from callstream.surfaces.asapp_transcription import StartStreaming
from callstream.wiring import endpoints, transcription_commands
from callstream.wiring.warm_ups import warm_ups

handler = endpoints.handler(
    AsappSurface(),
    START_STREAMING,
    StartStreaming(
        transcription_commands.transcription_starter(os.environ),
        transcription_commands.transcriber(os.environ),
        warm_ups(os.environ),
    ),
    os.environ,
)
