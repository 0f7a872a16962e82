"""The port of speech recognition: what every engine offers.

An engine gets 16-bit linear PCM at 8 kHz, little-endian, interleaved if there are several channels,
and gives utterances. An utterance is final: it is never changed or taken back.
`callstream.transcription.recogniser` keeps a recognition alive over several sessions.
"""

from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from msgspec import Struct

from callstream.errors import CallstreamError
from callstream.frames.records import Word

SAMPLE_RATE: Final = 8000
"""Samples a second of each channel; a sample has two bytes."""


class EngineFailed(CallstreamError):
    """A session cannot be opened, or has ended before its time.

    Args:
        reason: one of a small set of ours, safe to log; holds nothing that was said.
        is_permanent: whether a new session would fail in the same way.
        is_busy: whether the engine refuses because too many sessions run at once.
    """

    def __init__(self, reason: str, *, is_permanent: bool = False, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_permanent = is_permanent
        self.is_busy = is_busy


class SessionSettings(Struct, frozen=True):
    """What a session recognises.

    `finds_private` asks an engine that can to mark private data, so that redaction can mask it.
    `vocabulary` names a list of words that the operator has made with the engine's own tools.
    """

    language: str
    channels: int = 1
    smart_formatting: bool = True
    finds_private: bool = True
    vocabulary: str | None = None


class PrivateSpan(Struct, frozen=True):
    """A part of an utterance's text that the engine takes for private: `text[start:end]`."""

    start: int
    end: int


class Utterance(Struct, frozen=True):
    """What one speaker has said until a pause. Times are in milliseconds of the session's audio.

    `words` is empty if the engine has no times of words.
    """

    channel: int
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    private: tuple[PrivateSpan, ...] = ()


class Session(Protocol):
    """One session with an engine. `feed` and `receive` may run at the same time."""

    async def feed(self, audio: bytes) -> None:
        """Send audio: whole samples of all channels, at most a second of them.

        Raises:
            EngineFailed: the session has failed.
        """

    async def finish(self) -> None:
        """Say that the audio ends here; then `receive` gives the last utterances."""

    async def receive(self) -> Utterance | None:
        """Wait for the next utterance; None once the last one has come after `finish`.

        Raises:
            EngineFailed: the session has failed.
        """

    def settled_ms(self, channel: int) -> int:
        """Up to where this channel's audio is done: later utterances begin after this time.

        An utterance that `receive` has not returned yet is not done.
        """

    async def close(self) -> None:
        """Give up the session, in any state."""


class Engine(Protocol):
    """A speech recognition engine."""

    @property
    def languages(self) -> AbstractSet[str]:
        """The languages that the engine recognises, such as `en-US`."""

    @property
    def longest_session_s(self) -> float:
        """After how many seconds a new session should follow, at a quiet moment; may be infinite.

        A session may end soon after this time, and what is pending in it is then lost.
        """

    async def open(self, settings: SessionSettings) -> Session:
        """Open a session.

        Raises:
            EngineFailed: no session is to be had.
        """
