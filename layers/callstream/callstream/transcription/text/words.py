"""The words of a line with their times."""

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from callstream.frames.records import Word
from callstream.transcription.engine import Utterance
from callstream.transcription.text.draft import Draft

_MARKS: Final = """.,;:!?¿¡…"“”„«»()'\u2019\u2018\u2013—-"""
_WORD: Final = re.compile(r"\S+")


def words_of(draft: Draft, utterance: Utterance) -> tuple[Word, ...]:
    """The words of a text that has been made from an utterance's.

    A word that stands for several words of the engine has the time of all of them. If the engine
    gives no times of words, the words share the utterance's time by their letters.
    """
    timed = _timed_by_engine(utterance) or _timed_by_letters(utterance)
    words: list[Word] = []
    for match in _WORD.finditer(draft.text):
        text = match[0].strip(_MARKS)
        before, _, after = match[0].partition(text) if text else ("", "", match[0])
        if text:
            place = draft.starts[match.start() + len(before)], draft.ends[match.end() - 1]
            found = [each for each in timed if each.start < place[1] and each.end > place[0]]
            words.append(_word(text, before, after, found, utterance))
        elif words:
            # A mark between spaces belongs to the word before.
            words[-1] = replace(words[-1], after=f"{words[-1].after} {after}")
    return tuple(words)


class _Timed(Struct, frozen=True):
    """A word of the engine's and its place in the engine's text."""

    start: int
    end: int
    start_ms: int
    end_ms: int
    confidence: float | None = None


def _word(text: str, before: str, after: str, found: list[_Timed], utterance: Utterance) -> Word:
    known = [timed.confidence for timed in found if timed.confidence is not None]
    return Word(
        text,
        found[0].start_ms if found else utterance.start_ms,
        found[-1].end_ms if found else utterance.end_ms,
        before,
        after,
        min(known, default=None),
    )


def _timed_by_engine(utterance: Utterance) -> list[_Timed]:
    timed: list[_Timed] = []
    done = 0
    for word in utterance.words:
        start = utterance.text.find(word.text, done)
        if start < 0:
            return []
        done = start + len(word.text)
        timed.append(_Timed(start, done, word.start_ms, word.end_ms, word.confidence))
    return timed


def _timed_by_letters(utterance: Utterance) -> list[_Timed]:
    words = list(_WORD.finditer(utterance.text))
    letters = [max(1, sum(map(str.isalnum, word[0]))) for word in words]
    length, total = utterance.end_ms - utterance.start_ms, sum(letters)
    timed: list[_Timed] = []
    said = 0
    for word, count in zip(words, letters, strict=True):
        start, end = (
            utterance.start_ms + length * number // total for number in (said, said + count)
        )
        timed.append(_Timed(*word.span(), start, end))
        said += count
    return timed
