"""The recognition of a call's audio, in a task of its own; it begins anew after a long gap."""

import asyncio
from collections.abc import Callable, Sequence

from callstream.relays.sinks.call_audio import Stretch
from callstream.transcription.engine import Engine, SessionSettings, Utterance
from callstream.transcription.recogniser import Recogniser


class Recognition:
    """The recognition of one run.

    Args:
        engine: recognises speech.
        settings: the settings of its sessions.
        settled_ms: for each channel, up to where everything has been given before.
        give: takes each utterance, with its times in the call's time.
        clock: time in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        settings: SessionSettings,
        settled_ms: Sequence[int],
        give: Callable[[Utterance], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._settled_ms = [*settled_ms]
        self._give = give
        self._clock = clock
        self._recogniser: Recogniser | None = None
        self._working: asyncio.Task[None] | None = None
        self._lost_ms = 0

    async def feed(self, stretch: Stretch) -> None:
        """Add audio. Waits for the last words before a gap. Raises `RecognitionFailed`."""
        recogniser = self._recogniser
        if recogniser is not None and stretch.begin_ms > recogniser.end_ms:
            await self.end()
            recogniser = None
        if recogniser is None:
            recogniser = self._recogniser = Recogniser(
                self._engine,
                self._settings,
                begin_ms=stretch.begin_ms,
                settled_ms=self._settled_ms,
                give=self._give,
                clock=self._clock,
            )
            self._working = asyncio.create_task(recogniser.run())
        elif stretch.begin_ms < recogniser.end_ms:
            recogniser.rewind(stretch.begin_ms)
        recogniser.feed(stretch.audio)

    def check(self) -> None:
        """Raises `RecognitionFailed` if the engine has failed for good."""
        if self._working is not None and self._working.done():
            self._working.result()

    async def end(self) -> None:
        """Wait for the last words of the audio so far. Raises `RecognitionFailed`."""
        if self._recogniser is not None:
            self._recogniser.finish()
            # `stop` may have been here.
            self._working = self._working or asyncio.create_task(self._recogniser.run())
            # A run that ends meanwhile waits here once more.
            await asyncio.shield(self._working)
            self._keep_places()
            self._recogniser = self._working = None

    async def stop(self) -> None:
        """Give up the session. The audio since the settled place is not forgotten."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
            self._working = None

    def settled_ms(self, channel: int) -> int:
        """Up to where all utterances of a channel have been given, in the call's time."""
        settled = self._settled_ms[channel]
        recogniser = self._recogniser
        return settled if recogniser is None else max(settled, recogniser.settled_ms(channel))

    @property
    def behind_ms(self) -> int:
        """How much audio waits for the engine."""
        return 0 if self._recogniser is None else self._recogniser.waiting_ms

    @property
    def lost_ms(self) -> int:
        """How much audio was dropped, because no engine could take it."""
        return self._lost_ms + (self._recogniser.lost_ms if self._recogniser else 0)

    def _keep_places(self) -> None:
        self._settled_ms = [self.settled_ms(each) for each in range(self._settings.channels)]
        self._lost_ms = self.lost_ms
