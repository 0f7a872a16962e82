"""The offline speech engine: moonshine-voice, with a process for each channel of a session."""

import asyncio
import logging
import math
import os
import sys
from array import array
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from callstream.adapters.speech import messages, moonshine, worker
from callstream.transcription.engine import EngineFailed, SessionSettings, Utterance

_logger = logging.getLogger(__name__)

# As long a worker may neither take audio nor answer. A long segment takes some seconds.
_PATIENCE_S: Final = 60.0
# What the workers' Python needs of the environment. Nothing secret is among it.
_INHERITED: Final = ("LD_LIBRARY_PATH", "PATH", "TMPDIR")
_SAMPLE: Final = "h"
_GONE: Final = (BrokenPipeError, ConnectionResetError)


class OfflineEngine:
    """An engine for English that needs no network. It runs on Linux for x86_64."""

    languages: Final = frozenset({"en-US"})
    longest_session_s: Final = math.inf

    async def open(self, settings: SessionSettings) -> "OfflineSession":
        """Open a session, as the port describes it.

        The workers are ready after half a second; audio waits in their pipes meanwhile.
        """
        if settings.language not in self.languages:
            raise EngineFailed("language", is_permanent=True)
        if not moonshine.is_supported():
            raise EngineFailed("not on this kind of machine", is_permanent=True)
        folder = moonshine.find()
        if folder is None:
            raise EngineFailed("not installed", is_permanent=True)
        session = OfflineSession()
        try:
            for _ in range(settings.channels):
                session.add_worker(await _start_worker(folder))
        except OSError:
            await session.close()
            raise EngineFailed("not started") from None
        except BaseException:
            await session.close()
            raise
        return session


class OfflineSession:
    """A session of the offline engine."""

    def __init__(self) -> None:
        self._workers: list[_Worker] = []
        self._utterances: deque[Utterance] = deque()
        self._failure: EngineFailed | None = None
        self._is_finished = False
        self._news = asyncio.Event()

    def add_worker(self, process: Process) -> None:
        """Add the next channel."""
        self._workers.append(_Worker(process, len(self._workers), self))

    async def feed(self, audio: bytes) -> None:
        """Send audio, as the port describes it. Waits while a worker is seconds behind."""
        samples = array(_SAMPLE, audio)
        await self._send(
            messages.AUDIO,
            [samples[each.channel :: len(self._workers)].tobytes() for each in self._workers],
        )

    async def finish(self) -> None:
        """Say that the audio ends here."""
        self._is_finished = True
        # `receive` gives the utterances that came before a failure, and then raises it.
        with suppress(EngineFailed):
            await self._send(messages.FINISH, [b"" for _ in self._workers])

    async def receive(self) -> Utterance | None:
        """Wait for the next utterance, as the port describes it."""
        while not self._utterances:
            self._raise_failure()
            if all(each.is_finished for each in self._workers):
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(_PATIENCE_S if self._is_finished else None):
                    await self._news.wait()
            except TimeoutError:
                self.fail(EngineFailed("no answer in time"))
        return self._utterances.popleft()

    def settled_ms(self, channel: int) -> int:
        """Up to where this channel's audio is done, and its utterances are received."""
        waiting = [each.start_ms for each in self._utterances if each.channel == channel]
        return min([self._workers[channel].settled_ms, *waiting])

    async def close(self) -> None:
        """End the workers, in any state."""
        self.fail(EngineFailed("closed"))
        for each in self._workers:
            each.kill()
        await asyncio.gather(*(each.ended() for each in self._workers))

    def add(self, utterance: Utterance) -> None:
        """Add what a worker has recognised."""
        self._utterances.append(utterance)
        self.wake()

    def fail(self, failure: EngineFailed) -> None:
        """Note why the session is over; the first reason counts."""
        self._failure = self._failure or failure
        self.wake()

    def wake(self) -> None:
        """Let `receive` look again."""
        self._news.set()

    async def _send(self, kind: bytes, contents: list[bytes]) -> None:
        self._raise_failure()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                for each, content in zip(self._workers, contents, strict=True):
                    await each.send(messages.message(kind, content))
        except TimeoutError:
            self.fail(EngineFailed("takes no audio"))
        except _GONE:
            # The reason is in the worker's last message, or the worker has died.
            await asyncio.gather(*(each.ended() for each in self._workers if each.is_gone))
            self.fail(EngineFailed("died"))
        self._raise_failure()

    @property
    def is_over(self) -> bool:
        """Whether the session has failed, or was closed."""
        return self._failure is not None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _Worker:
    """The process of one channel, and what it has answered."""

    def __init__(self, process: Process, channel: int, session: OfflineSession) -> None:
        self.channel = channel
        self.settled_ms = 0
        self.is_finished = False
        self._process = process
        self._session = session
        self._reading = asyncio.create_task(self._read())

    @property
    def is_gone(self) -> bool:
        """Whether its input is closed."""
        return self._input.is_closing()

    @property
    def _input(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        return self._process.stdin

    async def send(self, message: bytes) -> None:
        """Send a message; waits while many wait."""
        self._input.write(message)
        await self._input.drain()

    def kill(self) -> None:
        """End the process."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Wait until the process has ended and everything it said is read."""
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        source = self._process.stdout
        with suppress(asyncio.IncompleteReadError):
            while True:
                kind, length = messages.header(await source.readexactly(messages.HEADER_BYTES))
                self._take(kind, await source.readexactly(length))
        status = await self._process.wait()
        self._input.close()
        with suppress(*_GONE):
            await self._input.wait_closed()
        if not self.is_finished:
            if not self._session.is_over:
                _logger.warning("speech engine died", extra={"status": status})
            self._session.fail(EngineFailed("died"))

    def _take(self, kind: bytes, content: bytes) -> None:
        if kind == messages.SPOKEN:
            self._session.add(Utterance(self.channel, *messages.unpack_spoken(content)))
        elif kind == messages.SETTLED:
            self.settled_ms = messages.unpack_time(content)
            self._session.wake()
        elif kind == messages.FINISH:
            self.is_finished = True
            self._session.wake()
        elif kind == messages.BROKEN:
            self._session.fail(EngineFailed("cannot be loaded", is_permanent=True))


async def _start_worker(folder: Path) -> Process:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # The path is given in full, so Python need not look at site-packages (-S), nor in the working
    # directory (-P). What the library prints could be what was said: it is not kept.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-P", "-m", worker.__name__, str(folder)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
