"""The settings of a transcription. Surfaces and agents make them, in no vendor's terms."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from callstream.dialects.events import Track

Transcriber = Literal["none", "amazon", "offline"]
"""The engine that a deployment transcribes with."""
LANGUAGES: Final[Mapping[Transcriber, frozenset[str]]] = {
    "none": frozenset(),
    "amazon": frozenset({"en-US", "es-US"}),
    "offline": frozenset({"en-US"}),
}
"""The languages that each engine recognises."""

Role = Literal["customer", "agent"]
Redaction = Literal["redacted", "unredacted", "both"]
"""Which texts of a line leave the transcription; `both` has one beside the other."""

MOST_PHRASES = 200
MOST_PHRASE_LENGTH = 256
MOST_PHRASE_BYTES = 1000
"""A phrase with all its sounds: a checkpoint has the phrases, and an item's size is limited."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Phrase(_Model):
    """A phrase to write where one of these is heard."""

    phrase: Annotated[str, Field(min_length=1, max_length=MOST_PHRASE_LENGTH)]
    sounds_like: tuple[Annotated[str, Field(max_length=MOST_PHRASE_LENGTH)], ...] = ()


class Speaker(_Model):
    """Who speaks on a track. `transcript_id` is the id of this speaker's transcript."""

    transcript_id: str
    role: Role
    external_id: str = ""


class TranscriptionSettings(_Model):
    """How a relay transcribes its call.

    Attributes:
        language: such as `en-US`.
        smart_formatting: punctuation, capitals, and numbers in figures; otherwise plain words.
        word_times: whether lines have words with their times.
        redaction: which texts of a line leave the transcription.
        speakers: who speaks on each track.
        vocabulary: phrases of this tenant or call.
    """

    language: str = "en-US"
    smart_formatting: bool = True
    word_times: bool = False
    redaction: Redaction = "redacted"
    speakers: dict[Track, Speaker] = {}
    vocabulary: Annotated[tuple[Phrase, ...], Field(max_length=MOST_PHRASES)] = ()
