"""A client of AutoTranscribe's WebSocket, written from ASAPP's document, not from our code.

Control messages are text, audio is binary, 20 ms a message, in real time, from `startStream` on,
without waiting for an answer. The answers are read until the server closes.
"""

import asyncio
import json
from base64 import b64encode
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

BYTES_A_SECOND: Final = 16_000


class AsappClient:
    """One speaker of a conversation."""

    piece_ms = 20

    def __init__(self, url: str, role: str, external_id: str) -> None:
        self.url = url
        self.start = {
            "message": "startStream",
            "sender": {"role": role, "externalId": external_id},
            "language": "en-US",
            "samplingRate": 8000,
            "encoding": "L16",
            "smartFormatting": True,
            "detailedToken": False,
            "audioRecordingAllowed": False,
            "redactionOutput": "redacted",
        }
        self.answers: list[dict[str, Any]] = []
        self.close_code: int | None = None

    async def speak(self, audio: bytes) -> None:
        """Stream the audio, finish, and read all answers."""
        async with connect(self.url, compression=None) as socket:
            await socket.send(json.dumps(self.start))
            reading = asyncio.create_task(self._read(socket))
            await self.say(socket, audio)
            await socket.send(json.dumps({"message": "finishStream"}))
            await reading

    async def say(self, socket: ClientConnection, audio: bytes) -> None:
        """Send audio in real time."""
        size = BYTES_A_SECOND * self.piece_ms // 1000
        clock = asyncio.get_running_loop().time
        began = clock()
        for number, at in enumerate(range(0, len(audio), size)):
            await self.send(socket, audio[at : at + size])
            await asyncio.sleep(began + (number + 1) * self.piece_ms / 1000 - clock())

    async def send(self, socket: ClientConnection, audio: bytes) -> None:
        """Send one piece of audio."""
        await socket.send(audio)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                self.answers.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            self.close_code = socket.close_code

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The answers of a kind."""
        return [answer for answer in self.answers if answer["message"] == kind]

    @property
    def text(self) -> str:
        """All that the transcripts say."""
        return " ".join(
            utterance["text"] for each in self.of("transcript") for utterance in each["utterance"]
        )


class TextClient(AsappClient):
    """The same with audio as text, as the gateway's page has it; 100 ms a message."""

    piece_ms = 100

    def __init__(self, url: str, role: str, external_id: str) -> None:
        super().__init__(url, role, external_id)
        self.sent = 0

    async def send(self, socket: ClientConnection, audio: bytes) -> None:
        self.sent += 1
        payload = b64encode(audio).decode()
        message = {"message": "audio", "sequence": self.sent, "payload": payload}
        await socket.send(json.dumps(message))
