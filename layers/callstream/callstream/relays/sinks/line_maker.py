"""Makes lines of what an engine recognises, by the settings and the phrases of a call."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic import ValidationError

from callstream.dialects.events import SpokenPhrase, Track
from callstream.frames.records import Transcript
from callstream.transcription.engine import Utterance
from callstream.transcription.model import (
    MOST_PHRASE_BYTES,
    MOST_PHRASES,
    Phrase,
    TranscriptionSettings,
)
from callstream.transcription.text.line import line_text
from callstream.transcription.text.redaction import tail_of


class LineMaker:
    """Makes the lines of one run of a relay.

    Args:
        relay_id: the relay.
        settings: the settings of the transcription.
        phrases: those that came during the call, in the runs before.
        last: the last line of each track.
    """

    def __init__(
        self,
        relay_id: str,
        settings: TranscriptionSettings,
        phrases: Sequence[SpokenPhrase],
        last: Mapping[Track, Transcript],
    ) -> None:
        self._relay_id = relay_id
        self._vocabulary = settings.vocabulary
        self._settings = settings
        # What redaction must know of the line before.
        self._tails = {
            track: tail_of(line.text, line.end_ms, line.language) for track, line in last.items()
        }
        self.phrases: list[SpokenPhrase] = []
        self.add_phrases(phrases)

    def add_phrases(self, phrases: Sequence[SpokenPhrase]) -> None:
        """Use phrases from now on, the newest as far as there is room."""
        # The client was told of those that are too long.
        usable = [each for each in phrases if each.size <= MOST_PHRASE_BYTES]
        self.phrases = [*self.phrases, *usable][-MOST_PHRASES:]
        made: list[Phrase] = []
        for each in self.phrases:
            with suppress(ValidationError):
                made.append(Phrase(phrase=each.phrase, sounds_like=each.sounds_like))
        vocabulary = (*self._vocabulary, *made)[-MOST_PHRASES:]
        self._settings = self._settings.model_copy(update={"vocabulary": vocabulary})

    def make(self, track: Track, utterance: Utterance) -> Transcript | None:
        """The line of an utterance, without its number; None if nothing is left to show."""
        text = line_text(utterance, self._settings, self._tails.get(track))
        self._tails[track] = text.tail
        if not text.text:
            return None
        return Transcript(
            relay_id=self._relay_id,
            number=0,
            track=track,
            start_ms=utterance.start_ms,
            end_ms=utterance.end_ms,
            language=self._settings.language,
            text=text.text,
            words=text.words,
            unredacted=text.unredacted,
        )
