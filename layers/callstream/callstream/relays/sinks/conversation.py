"""The interface of conversations: what a client that streams its own audio is answered.

A conversation is a state machine without I/O, in its client's terms. It takes the events of the
client's stream in order, and the lines of the transcript, and gives steps, which the sink takes in
their order.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from callstream.dialects.events import Media
from callstream.frames.records import StreamEvent, Transcript
from callstream.transcription.model import Phrase, TranscriptionSettings


class Failure(Enum):
    """Why nothing can be transcribed any more."""

    BUSY = "busy"
    """No engine is free."""
    BROKEN = "broken"
    """The engine fails again and again."""
    REFUSED = "refused"
    """The engine refuses this audio or these settings, or there is no engine."""


class Begin(NamedTuple):
    """Begin to transcribe. If that is not possible, `failed` is called next."""

    settings: TranscriptionSettings


class Hear(NamedTuple):
    """Transcribe a frame, whose timestamp is its place in the client's audio."""

    frame: Media


class Learn(NamedTuple):
    """Write these phrases, too, where they are heard from now on."""

    phrases: tuple[Phrase, ...]


class Answer(NamedTuple):
    """Send the client a message."""

    text: str


class Finish(NamedTuple):
    """Wait for the last lines of the audio so far; then `finished` is called."""


class Close(NamedTuple):
    """Close the client's connection."""


Step = Begin | Hear | Learn | Answer | Finish | Close


class Conversation(Protocol):
    """One conversation. Times are in milliseconds since 1970."""

    @property
    def deadline(self) -> int | None:
        """When `expire` has steps even if nothing comes; None if never."""

    def take(self, event: StreamEvent, received_at: int) -> Sequence[Step]:
        """Take an event of the stream, in its turn."""

    def expire(self, now: int) -> Sequence[Step]:
        """The steps that are due by now."""

    def line(self, line: Transcript) -> Sequence[Step]:
        """Take a new line of the transcript."""

    def finished(self, now: int) -> Sequence[Step]:
        """The last line has been taken."""

    def failed(self, failure: Failure, now: int) -> Sequence[Step]:
        """Nothing can be transcribed any more."""

    def stopped(self, now: int) -> Sequence[Step]:
        """The relay ends, although the client goes on."""

    def snapshot(self) -> bytes:
        """Where the conversation is, for the next run."""
