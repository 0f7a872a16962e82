"""A bot of Patter (getpatter) for test_agent_frameworks.py: its server, with stand-in providers.

See `bot.py`. Patter sets a mark behind each piece of its greeting, and waits for the marks.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, Final

import bot  # type: ignore[import-not-found]  # beside this file
from getpatter.local_config import LocalConfig  # type: ignore[import-not-found]
from getpatter.models import Agent  # type: ignore[import-not-found]
from getpatter.providers.base import (  # type: ignore[import-not-found]
    STTProvider,
    Transcript,
    TTSProvider,
)
from getpatter.server import EmbeddedServer  # type: ignore[import-not-found]

# Patter's own rate.
_RATE: Final = 16_000

_calls: Final[dict[str, bot.Call]] = {}
_cut_in: Final[dict[str, asyncio.Event]] = {}
_current: Final[ContextVar[bot.Call]] = ContextVar("current")


class Recogniser(STTProvider):  # type: ignore[misc]
    """Stands in for a recogniser: a pressed key counts as a word of the caller's."""

    def __init__(self) -> None:
        self._call = _current.get(None)

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def send_audio(self, audio_chunk: bytes) -> None:
        """Hear linear samples at Patter's rate."""
        if self._call is not None:
            self._call.heard += len(audio_chunk) * bot.RATE // _RATE

    async def receive_transcripts(self) -> AsyncIterator[Transcript]:
        """One word, and no more."""
        if self._call is not None:
            await _cut_in[self._call.call_id].wait()
            yield Transcript("stop", is_final=True, speech_final=True)
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to close."""


class Voice(TTSProvider):  # type: ignore[misc]
    """Stands in for speech: every text sounds like the tone."""

    sample_rate = _RATE

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """All at once."""
        del text
        yield bot.tone(_RATE)

    async def close(self) -> None:
        """Nothing to close."""


async def started(about: dict[str, Any]) -> None:
    """A call has started."""
    call = bot.Call("twilio", about["call_id"], "", dict(about["custom_params"]))
    _calls[call.call_id] = call
    _cut_in[call.call_id] = asyncio.Event()
    _current.set(call)


async def pressed(about: dict[str, Any]) -> None:
    """A key was pressed: Patter reports keys as words."""
    text = str(about["text"])
    if text.startswith("[DTMF: "):
        _calls[about["call_id"]].keys += text.removeprefix("[DTMF: ").removesuffix("]")
        _cut_in[about["call_id"]].set()


async def ended(about: dict[str, Any]) -> None:
    """A call has ended."""
    bot.report(_calls[about["call_id"]])


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
    server.pop_prewarm_audio = lambda _call_id: bot.tone(_RATE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = asyncio.create_task(server.start(port))
    while not await _is_listening(port):  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0.1)
    bot.listening_on(port)
    await serving


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


asyncio.run(main())
