"""The interface of conversations: what a client that streams its own audio is answered.

A conversation is a state machine without I/O, in its client's terms. It takes the events of the
client's stream in order, and the lines of the transcript, and gives steps, which the sink takes in
their order.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import NamedTuple, Protocol

from callstream.dialects.events import Media, Vocabulary
from callstream.frames.records import StreamEvent, Transcript
from callstream.transcription.model import TranscriptionSettings


class Terms(NamedTuple):
    """What a conversation can offer.

    `languages` are those that the engine recognises. With `always_redacts` the client gets no text
    before redaction.
    """

    languages: AbstractSet[str]
    always_redacts: bool = False


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
    """Transcribe a frame, whose timestamp is its place in the client's audio, or take phrases.

    `received_at` is when API Gateway received the event, in milliseconds since 1970.
    """

    event: Media | Vocabulary
    received_at: int


class Answer(NamedTuple):
    """Send the client a message."""

    text: str


class Finish(NamedTuple):
    """Wait for the last lines of the audio so far; then `finished` is called."""


class Close(NamedTuple):
    """Close the client's connection."""


Step = Begin | Hear | Answer | Finish | Close


class Conversation(Protocol):
    """One conversation. Times are in milliseconds since 1970."""

    @property
    def deadline(self) -> int | None:
        """When `expire` has steps even if nothing comes; None if never."""

    def take(self, event: StreamEvent, received_at: int) -> Sequence[Step]:
        """Take an event of the stream, in its turn."""

    def expire(self, now: int) -> Sequence[Step]:
        """The steps that are due by now."""

    def line(self, line: Transcript) -> str | None:
        """The message of a line of the transcript; None if the client is gone."""

    def count_line(self) -> None:
        """Take note that a line has been sent."""

    def finished(self, now: int) -> Sequence[Step]:
        """The last line has been taken."""

    def failed(self, failure: Failure, now: int) -> Sequence[Step]:
        """Nothing can be transcribed any more."""

    def stopped(self, now: int) -> Sequence[Step]:
        """The relay ends, although the client goes on."""

    def snapshot(self) -> bytes:
        """Where the conversation is, for the next run."""
