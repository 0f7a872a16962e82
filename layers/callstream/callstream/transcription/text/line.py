"""The text of a line, from what an engine has recognised."""

from msgspec import Struct

from callstream.frames.records import Word
from callstream.transcription.engine import Utterance
from callstream.transcription.model import TranscriptionSettings
from callstream.transcription.text.draft import Draft
from callstream.transcription.text.formatting import without_formatting
from callstream.transcription.text.redaction import (
    Tail,
    going_on,
    private_spans,
    redacted,
    tail_of,
)
from callstream.transcription.text.vocabulary import with_vocabulary
from callstream.transcription.text.words import words_of


class LineText(Struct, frozen=True):
    """The text of a line as it leaves the transcription.

    Attributes:
        text: redacted, unless the settings ask for unredacted texts.
        words: the words of `text` with their times, if the settings ask for them.
        unredacted: the text before redaction, if the settings ask for both.
        tail: what the speaker's next line needs, so that a number that goes on is redacted.
    """

    text: str
    words: tuple[Word, ...]
    unredacted: str | None
    tail: Tail


def line_text(
    utterance: Utterance, settings: TranscriptionSettings, before: Tail | None = None
) -> LineText:
    """Apply the vocabulary, redaction and formatting to an utterance.

    Args:
        utterance: what has been recognised; its times are those of the line.
        settings: the settings of the transcription.
        before: the `tail` of the same speaker's line before. After a resume `tail_of` gives the
            tail of a kept line.
    """
    language = settings.language
    before = going_on(before, utterance.start_ms)
    tail = tail_of(utterance.text, utterance.end_ms, language, before)
    plain = with_vocabulary(Draft.of(utterance.text), settings.vocabulary)
    shown = plain
    if settings.redaction != "unredacted":
        # What was private before the vocabulary stays private, whatever is written instead.
        private = [(span.start, span.end) for span in utterance.private]
        private += private_spans(utterance.text, language, before)
        shown = redacted(plain, private, language, before)
    if not settings.smart_formatting:
        shown, plain = without_formatting(shown), without_formatting(plain)
    return LineText(
        shown.text,
        words_of(shown, utterance) if settings.word_times else (),
        plain.text if settings.redaction == "both" else None,
        tail,
    )
