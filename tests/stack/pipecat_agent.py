"""A voice agent of pipecat's serializers for test_pipecat.py, in pipecat's own environment.

Takes a certificate and its key as files, or nothing, as arguments. Prints the port on which it
listens; then, once its only call has ended, what was heard and said, as JSON. It answers what it
hears with `ANSWER` frames, and interrupts itself when a key is pressed.
"""

import asyncio
import json
import ssl
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import audioop
from pipecat.frames.frames import (  # type: ignore[import-not-found]
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)
from pipecat.runner.utils import parse_telephony_websocket  # type: ignore[import-not-found]
from pipecat.serializers.base_serializer import FrameSerializer  # type: ignore[import-not-found]
from pipecat.serializers.telnyx import TelnyxFrameSerializer  # type: ignore[import-not-found]
from pipecat.serializers.twilio import TwilioFrameSerializer  # type: ignore[import-not-found]
from websockets.asyncio.server import ServerConnection, serve

RATE = 8_000
SAMPLES = RATE // 50
ANSWER = 3
ANSWERED_AFTER = 10


class Setup:
    """The part of pipecat's `FrameProcessorSetup` that serializers read."""

    audio_in_sample_rate = RATE


class WebSocket:
    """The part of FastAPI's `WebSocket` that pipecat reads calls from."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def iter_text(self) -> AsyncIterator[str]:
        """The messages."""
        async for text in self._connection:
            yield str(text)


def serializer(kind: str, call: dict[str, str]) -> FrameSerializer:
    """The serializer for the kind of call and the ids that pipecat has recognised."""
    if kind == "telnyx":
        params = TelnyxFrameSerializer.InputParams(auto_hang_up=False)
        encoding = call["outbound_encoding"]
        return TelnyxFrameSerializer(call["stream_id"], encoding, "PCMU", params=params)
    params = TwilioFrameSerializer.InputParams(auto_hang_up=False)
    return TwilioFrameSerializer(call["stream_id"], params=params)


def answer() -> list[bytes]:
    """Frames of linear samples that mu-law can express, so that they arrive unchanged."""
    random = Random(1)  # noqa: S311  # it must repeat
    return [audioop.ulaw2lin(random.randbytes(SAMPLES), 2) for _ in range(ANSWER)]


async def converse(connection: ServerConnection) -> dict[str, object]:
    """Receive a call to its end, and answer it once."""
    kind, call = await parse_telephony_websocket(WebSocket(connection))
    speaks = serializer(kind, call)
    await speaks.setup(Setup())
    heard = bytearray()
    frames: Counter[str] = Counter()
    async for text in connection:
        frame = await speaks.deserialize(text)
        frames[type(frame).__name__] += 1
        if isinstance(frame, InputDTMFFrame):
            await connection.send(await speaks.serialize(InterruptionFrame()))
        if isinstance(frame, InputAudioRawFrame):
            heard += frame.audio
            if frames["InputAudioRawFrame"] == ANSWERED_AFTER:
                for pcm in answer():
                    await connection.send(await speaks.serialize(OutputAudioRawFrame(pcm, RATE, 1)))
    return {
        "kind": kind,
        "call_id": call["call_id"],
        "frames": frames,
        "heard": b64encode(heard).decode(),
        "said": [b64encode(pcm).decode() for pcm in answer()],
    }


async def main() -> None:
    """Take one call."""
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:])
    over: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    async def take(connection: ServerConnection) -> None:
        try:
            over.set_result(await converse(connection))
        except Exception as error:  # noqa: BLE001  # it is raised where the future is awaited
            over.set_exception(error)

    async with serve(take, "127.0.0.1", 0, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps(await over))


asyncio.run(main())
