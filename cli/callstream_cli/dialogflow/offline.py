"""Ears of the offline speech engine, and of a machine where that does not run."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, Final, Self

from callstream.adapters.speech import moonshine
from callstream.adapters.speech.engine import OfflineEngine, OfflineSession
from callstream.transcription.engine import EngineFailed, SessionSettings
from callstream_cli.dialogflow.conversations import LANGUAGE
from callstream_cli.dialogflow.hearing import Ear, Sentence, Sound, SpeechBegan
from callstream_cli.dialogflow.loudness import LoudnessGate

_SETTINGS: Final = SessionSettings(LANGUAGE)
# As long as the engine itself waits for a worker.
_PATIENCE_S: Final = 60.0


def runs_here() -> bool:
    """Whether the offline engine runs on this machine."""
    return moonshine.is_supported() and moonshine.find() is not None


class OfflineEars:
    """Makes the ears, all of which share one event loop. Use it as a context manager.

    An engine needs half a second to start: so one is always ready.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._engine = OfflineEngine()
        self._ready: OfflineSession | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready = self.run(self._engine.open(_SETTINGS))
        return self

    def __exit__(self, *_: object) -> None:
        if self._ready:
            self.run(self._ready.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def new(self) -> Ear:
        """A new ear."""
        with self._lock:
            session = self._ready or self.run(self._engine.open(_SETTINGS))
            self._ready = None
        return _OfflineEar(self, session)

    def prepare(self) -> None:
        """Let an engine be ready for the next ear."""
        with self._lock:
            if self._ready is None:
                self._ready = self.run(self._engine.open(_SETTINGS))

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop of the ears, and wait for it."""
        return self.start(work).result(_PATIENCE_S)

    def start[T](self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine in the loop of the ears."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)


class _OfflineEar:
    def __init__(self, ears: OfflineEars, session: OfflineSession) -> None:
        self._ears = ears
        self._session = session
        self._gate = LoudnessGate()
        self._is_speaking = False
        self._sentences: deque[Sentence] = deque()
        self._receiving = ears.start(self._receive())

    def hear(self, audio: bytes) -> list[Sound]:
        """Take some more audio; gives what is known by now."""
        self._ears.run(self._session.feed(audio))
        sounds: list[Sound] = []
        if self._gate.hear(audio) and not self._is_speaking:
            self._is_speaking = True
            sounds.append(SpeechBegan())
        return [*sounds, *self._taken()]

    def finish(self) -> list[Sound]:
        """End the audio; waits for the rest of what was said."""
        self._ears.run(self._session.finish())
        self._receiving.result(_PATIENCE_S)
        return self._taken()

    def close(self) -> None:
        """Give up the ear."""
        self._ears.run(self._session.close())
        self._ears.prepare()

    async def _receive(self) -> None:
        try:
            while (said := await self._session.receive()) is not None:
                self._sentences.append(Sentence(said.text, said.end_ms))
        except EngineFailed:
            # The person is not understood then.
            return

    def _taken(self) -> list[Sound]:
        taken: list[Sound] = []
        while self._sentences:
            taken.append(self._sentences.popleft())
            self._is_speaking = False
        return taken


class DeafEar:
    """Notices that somebody speaks, but understands nothing: keys are taken instead."""

    def __init__(self) -> None:
        self._gate = LoudnessGate()
        self._is_speaking = False

    def hear(self, audio: bytes) -> list[Sound]:
        """Take some more audio."""
        began = self._gate.hear(audio) and not self._is_speaking
        self._is_speaking = self._is_speaking or began
        return [SpeechBegan()] if began else []

    def finish(self) -> list[Sound]:
        """End the audio; nothing was understood."""
        return []

    def close(self) -> None:
        """Give up the ear."""
