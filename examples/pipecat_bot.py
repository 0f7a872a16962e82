"""A bot of pipecat, as pipecat documents it for Twilio; it runs behind every carrier's calls.

    pip install "pipecat-ai[websocket]==1.14.0" fastapi uvicorn
    python3 pipecat_bot.py
    ./callstream agents add demo ws://127.0.0.1:7860/ws --inbox inbox-123 --dialect twilio

Put your recognition, language model and speech in the place of `Model`, which answers the first
half second with a tone, and falls silent when the caller presses a key. Prints a line of JSON for
each call that has ended. PORT is another port than 7860.
"""

import json
import math
import os
import socket
from array import array
from typing import Final

import uvicorn  # type: ignore[import-not-found]
from fastapi import FastAPI, WebSocket  # type: ignore[import-not-found]
from pipecat.frames.frames import (  # type: ignore[import-not-found]
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline  # type: ignore[import-not-found]
from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # type: ignore[import-not-found]
from pipecat.processors.frame_processor import (  # type: ignore[import-not-found]
    FrameDirection,
    FrameProcessor,
)
from pipecat.runner.utils import parse_telephony_websocket  # type: ignore[import-not-found]
from pipecat.serializers.twilio import TwilioFrameSerializer  # type: ignore[import-not-found]
from pipecat.transports.websocket.fastapi import (  # type: ignore[import-not-found]
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner  # type: ignore[import-not-found]

RATE: Final = 8000
SECONDS: Final = 20


def tone(rate: int) -> bytes:
    """What the bot says instead of words: 20 seconds of 1 kHz, as linear samples of 16 bits."""
    turn = 2 * math.pi * 1000 / rate
    return array("h", (round(8000 * math.sin(turn * at)) for at in range(rate * SECONDS))).tobytes()


class Model(FrameProcessor):  # type: ignore[misc]
    """Stands in for recognition, language model and speech."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.keys = 0, ""
        self._has_answered = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer the first words, and fall silent when a key is pressed."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.heard += len(frame.audio)
            if self.heard >= RATE and not self._has_answered:
                self._has_answered = True
                await self.push_frame(TTSAudioRawFrame(tone(RATE), RATE, 1))
        elif isinstance(frame, InputDTMFFrame):
            self.keys += frame.button.value
            await self.broadcast_interruption()
        else:
            await self.push_frame(frame, direction)


app = FastAPI()


@app.websocket("/ws")  # type: ignore[untyped-decorator]
async def talk(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    kind, about = await parse_telephony_websocket(websocket)
    model = Model()
    serializer = TwilioFrameSerializer(
        stream_sid=about["stream_id"],
        call_sid=about["call_id"],
        # It would ask Twilio to end the call.
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            serializer=serializer,
        ),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), model, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
    )

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def disconnected(_transport: object, _client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    report = {
        "kind": kind,
        "call_id": about["call_id"],
        "stream_id": about["stream_id"],
        "parameters": about["body"],
        "heard": model.heard,
        "keys": model.keys,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "7860"))))
    print("listening on port", listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
