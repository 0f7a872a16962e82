"""A call in ASAPP's dialect: a client streams its own audio, and is answered with what is said."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from callstream.adapters.speech import moonshine
from callstream_cli.gateway import streaming_url
from callstream_cli.local.description import StackDescription
from callstream_cli.verify.calls import noise
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, judged, unmeasured
from callstream_cli.verify.landings import Landed

CHECK: Final = "call in asapp's dialect"

_SECONDS: Final = 1.0
_MESSAGES: Final = 10
_BYTES_A_SECOND: Final = 16_000
_OPEN_SECONDS: Final = 30
# A cold engine loads its model, and the last words take some seconds.
_PATIENCE_SECONDS: Final = 60
_OK: Final = "1000"
_START: Final = {
    "message": "startStream",
    "sender": {"role": "customer", "externalId": "callstream verify"},
    "language": "en-US",
    "samplingRate": 8000,
    "encoding": "L16",
}


@dataclass(slots=True)
class Client:
    """What a client has sent and received."""

    audio: bytes
    """Linear samples, the smaller byte first."""
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def stream_id(self) -> str | None:
        """The stream's id, as the first answer has it."""
        return self.answers[0].get("streamID") if self.answers else None


def not_here(deployed: Deployed) -> Finding | None:
    """Why the deployment cannot answer such a client; None if it can."""
    if deployed.outputs.get("TranscriberName", "none") == "none":
        return unmeasured(CHECK, "the stack has no transcriber", "deploy it with Transcriber=…")
    if deployed.is_local and not (moonshine.is_supported() and moonshine.find()):
        return unmeasured(CHECK, "the offline speech engine does not run on this machine")
    return None


async def converse(stack: StackDescription) -> Client:
    """Stream a second of audio as a client of AutoTranscribe's WebSocket.

    Raises:
        GatewayError: the endpoint gave no URL.
    """
    url = await asyncio.to_thread(streaming_url, stack)
    # Twice as many bytes as a frame of mu-law has.
    samples = noise(("inbound", "outbound"), _SECONDS)
    client = Client(samples["inbound"] + samples["outbound"])
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            connect(url, proxy=None, compression=None, open_timeout=_OPEN_SECONDS) as socket,
        ):
            await socket.send(json.dumps(_START))
            reading = asyncio.create_task(_read(socket, client))
            await _speak(socket, client.audio)
            await reading
    except (OSError, TimeoutError, WebSocketException) as error:
        client.error = f"the conversation broke off: {str(error) or type(error).__name__}"
    return client


def finding(client: Client, landed: Landed | None) -> Finding:
    """Whether the client was answered as documented, and its audio is on Kinesis, bit for bit."""
    found = [client.error] if client.error else []
    first = client.answers[0] if client.answers else {}
    last = client.answers[-1] if client.answers else {}
    for name, answer in (("startResponse", first), ("finalResponse", last)):
        code = answer.get("status", {}).get("code")
        if (answer.get("message"), code) != (name, _OK):
            found.append(
                f"no {name} has come with status {_OK}, but {answer.get('message')} {code}"
            )
    if last.get("summary", {}).get("totalAudioBytes") != len(client.audio):
        found.append("the last message does not count the audio that was sent")
    if landed is None:
        found.append("the stream is not known")
    else:
        received = bytearray(landed.recording.audio("inbound"))
        # Records have the larger byte first, as RFC 3551.
        received[::2], received[1::2] = received[1::2], received[::2]
        if received != client.audio:
            found.append("the audio on the frames stream is not the audio that was sent")
    size = f"{len(client.audio)} bytes"
    return judged(CHECK, found, f"{size}, bit for bit; answered to the last message")


async def _speak(socket: ClientConnection, audio: bytes) -> None:
    size = len(audio) // _MESSAGES
    for number in range(_MESSAGES):
        piece = b64encode(audio[number * size : (number + 1) * size]).decode()
        text = json.dumps({"message": "audio", "sequence": number + 1, "payload": piece})
        await socket.send(text)
        await asyncio.sleep(size / _BYTES_A_SECOND)
    await socket.send(json.dumps({"message": "finishStream"}))


async def _read(socket: ClientConnection, client: Client) -> None:
    try:
        while True:
            client.answers.append(json.loads(await socket.recv()))
    except ConnectionClosed:
        pass
