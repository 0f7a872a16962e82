"""A bot of pipecat for test_agent_frameworks.py: a pipeline behind pipecat's FastAPI transport.

It is what pipecat documents for Twilio, with a stand-in where the models would be. See `bot.py`.
"""

from typing import Any

import bot  # type: ignore[import-not-found]  # beside this file
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


class Model(FrameProcessor):  # type: ignore[misc]
    """Stands in for recognition, language model and speech."""

    def __init__(self, call: bot.Call) -> None:
        super().__init__()
        self._call = call
        self._has_answered = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer the first words, and fall silent when a key is pressed."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._call.heard += len(frame.audio)
            if self._call.heard >= bot.ENOUGH and not self._has_answered:
                self._has_answered = True
                await self.push_frame(TTSAudioRawFrame(bot.tone(), bot.RATE, 1))
        elif isinstance(frame, InputDTMFFrame):
            self._call.keys += frame.button.value
            await self.broadcast_interruption()
        else:
            await self.push_frame(frame, direction)


app = FastAPI()


@app.websocket("/ws")  # type: ignore[untyped-decorator]
async def talk(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    kind, about = await parse_telephony_websocket(websocket)
    call = bot.Call(kind, about["call_id"], about["stream_id"], dict(about["body"]))
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
        Pipeline([transport.input(), Model(call), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=bot.RATE, audio_out_sample_rate=bot.RATE),
    )

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def disconnected(_transport: Any, _client: Any) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    bot.report(call)


bot.serve(app)
