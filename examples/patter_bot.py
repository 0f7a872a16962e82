"""A bot of Patter (getpatter): Patter's own server; it runs behind every carrier's calls.

    pip install getpatter==0.7.0
    python3 patter_bot.py
    ./callstream agents add demo ws://127.0.0.1:8000/ws/stream/x --inbox inbox-123 --dialect twilio

`Recogniser` and `Voice` stand in for your providers: replace them. A pressed key counts as a word,
and each text is a tone. Patter sets a mark behind each piece of its greeting, and waits for the
marks. Prints a line of JSON for each call that has ended. PORT is another port than 8000.
"""

import asyncio
import json
import math
import os
import socket
from array import array
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, Final

from getpatter.local_config import LocalConfig  # type: ignore[import-not-found]
from getpatter.models import Agent  # type: ignore[import-not-found]
from getpatter.providers.base import (  # type: ignore[import-not-found]
    STTProvider,
    Transcript,
    TTSProvider,
)
from getpatter.server import EmbeddedServer  # type: ignore[import-not-found]

RATE: Final = 16_000
"""Patter's own."""
SECONDS: Final = 20

_calls: Final[dict[str, dict[str, Any]]] = {}
_cut_in: Final[dict[str, asyncio.Event]] = {}
_current: Final[ContextVar[dict[str, Any]]] = ContextVar("current")


def tone(rate: int) -> bytes:
    """What the bot says instead of words: 20 seconds of 1 kHz, as linear samples of 16 bits."""
    turn = 2 * math.pi * 1000 / rate
    return array("h", (round(8000 * math.sin(turn * at)) for at in range(rate * SECONDS))).tobytes()


class Recogniser(STTProvider):  # type: ignore[misc]
    """Stands in for a recogniser: a pressed key counts as a word of the caller's."""

    def __init__(self) -> None:
        self._call = _current.get(None)

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def send_audio(self, audio_chunk: bytes) -> None:
        """Hear linear samples at Patter's rate."""
        if self._call is not None:
            self._call["heard"] += len(audio_chunk)

    async def receive_transcripts(self) -> AsyncIterator[Transcript]:
        """One word, and no more."""
        if self._call is not None:
            await _cut_in[self._call["call_id"]].wait()
            yield Transcript("stop", is_final=True, speech_final=True)
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to close."""


class Voice(TTSProvider):  # type: ignore[misc]
    """Stands in for speech: every text sounds like the tone."""

    sample_rate = RATE

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """All at once."""
        del text
        yield tone(RATE)

    async def close(self) -> None:
        """Nothing to close."""


async def started(about: dict[str, Any]) -> None:
    """A call has started."""
    call = {"call_id": about["call_id"], "parameters": about["custom_params"]}
    call |= {"heard": 0, "keys": ""}
    _calls[about["call_id"]] = call
    _cut_in[about["call_id"]] = asyncio.Event()
    _current.set(call)


async def pressed(about: dict[str, Any]) -> None:
    """A key was pressed: Patter reports keys as words."""
    text = str(about["text"])
    if text.startswith("[DTMF: "):
        _calls[about["call_id"]]["keys"] += text.removeprefix("[DTMF: ").removesuffix("]")
        _cut_in[about["call_id"]].set()


async def ended(about: dict[str, Any]) -> None:
    """A call has ended."""
    print(json.dumps(_calls.pop(about["call_id"])), flush=True)


async def main() -> None:
    """Serve until the process is ended."""
    agent = Agent(
        system_prompt="",
        provider="pipeline",
        first_message="Hello.",
        stt=Recogniser(),
        tts=Voice(),
    )
    server = EmbeddedServer(LocalConfig(), agent, dashboard=False)
    server.on_call_start, server.on_transcript, server.on_call_end = started, pressed, ended
    # Patter renders a greeting ahead of its own outbound calls; then the greeting has marks.
    server.pop_prewarm_audio = lambda _call_id: tone(RATE)
    port = int(os.environ.get("PORT", "8000"))
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    serving = asyncio.create_task(server.start(port))
    while not await _is_listening(port):  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0.1)
    print("listening on port", port, flush=True)
    await serving


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    asyncio.run(main())
