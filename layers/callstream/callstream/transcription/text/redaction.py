"""Redaction: digits of private numbers become `#`, and so do other data that an engine has marked.

Three or more digits in a row are private, in figures or in spoken words; so is the year after an
expiry's month. A number may go on after a pause, in the speaker's next line: see `Tail`.
"""

import re
from collections.abc import Collection
from itertools import pairwise
from typing import Final

from msgspec import Struct

from callstream.transcription.text.draft import Draft, Edit
from callstream.transcription.text.numbers import Run, is_silent, runs
from callstream.transcription.text.placeholders import PLACEHOLDER

MASK: Final = "#"
FEWEST_DIGITS: Final = 3
"""So many digits in a row are private."""
LONGEST_PAUSE_MS: Final = 10_000
"""After a longer pause a number does not go on."""

Span = tuple[int, int]
"""A part of an engine's text, from its first character to before another."""


class Tail(Struct, frozen=True):
    """The end of a speaker's last line: how many digits are there in a row, and when it was said.

    `end_ms` is on the same clock as the times of the next line.
    """

    digits: int
    end_ms: int


def tail_of(text: str, end_ms: int, language: str, before: Tail | None = None) -> Tail:
    """The tail of a line.

    Args:
        text: the line, redacted or not.
        end_ms: when the line ends.
        language: such as `en-US`.
        before: the tail of the speaker's line before, if this line goes on with its number.
    """
    if before is not None and is_silent(text, language):
        return before
    found = runs(text.replace(MASK, "0"), language)
    if not found or not found[-1].trails:
        return Tail(0, end_ms)
    goes_on = before is not None and found[-1].leads
    return Tail(found[-1].digits + (before.digits if before and goes_on else 0), end_ms)


def going_on(before: Tail | None, start_ms: int) -> Tail | None:
    """The tail, if a line that starts at this time may go on with the number of the line before."""
    if before is None or start_ms - before.end_ms > LONGEST_PAUSE_MS:
        return None
    return before


def redacted(
    draft: Draft, private: Collection[Span], language: str, before: Tail | None = None
) -> Draft:
    """Mask private numbers, and every word that stands for a private part of the source.

    A number in figures has a `#` for each digit; a number in words becomes as many `#` as it has
    digits.

    Args:
        draft: the line after all other rules that may change numbers.
        private: parts of the source that are private already.
        language: such as `en-US`.
        before: the tail of the speaker's line before, if this line may go on with its number.
    """
    length = draft.source_length
    marked = {at for start, end in private for at in range(start, min(end, length))}

    def is_marked(start: int, end: int) -> bool:
        return any(at in marked for at in range(draft.starts[start], draft.ends[end - 1]))

    masks = {
        number.start: Edit(number.start, number.end, MASK * number.digits)
        for run, is_private in _judged(draft.text, language, before)
        for number in run.numbers
        if is_private or is_marked(number.start, number.end)
    }
    masked = {at for mask in masks.values() for at in range(mask.start, mask.end)}
    for word in _WORD_OR_PLACEHOLDER.finditer(draft.text) if marked else ():
        if word["word"] and word.start() not in masked and is_marked(*word.span()):
            masks[word.start()] = Edit(*word.span(), MASK * len(word[0]))
    return draft.edited(masks[start] for start in sorted(masks))


def private_spans(text: str, language: str, before: Tail | None = None) -> list[Span]:
    """The places of private numbers in a text."""
    return [
        (number.start, number.end)
        for run, is_private in _judged(text, language, before)
        if is_private
        for number in run.numbers
    ]


_WORD_OR_PLACEHOLDER: Final = re.compile(rf"{PLACEHOLDER.pattern}|(?P<word>[^\W\d_]+|\d+)")
# Numbers that say nothing of anybody, if no other number is beside them.
_IDIOM: Final = re.compile(
    r"\b(?:24/7|(?:(?:a|one) hundred|100) ?(?:percent|per cent|%)|(?:cien|100) por ciento"
    r"|a (?:hundred|thousand|million) (?:times|thanks|apologies)"
    r"|mil (?:gracias|disculpas|perdones|veces))(?!\w)",
    re.IGNORECASE,
)
_TIME: Final = re.compile(r"\d{1,2}:\d{2}")
_LETTER: Final = re.compile(r"[^\W\d_]")
# A time of day is no code, unless the line is about one.
_SENSITIVE: Final = re.compile(
    r"\b(?:cards?|cvv2?|cvc|codes?|security|pin|ssn|social|expir\w*|passcode|tarjeta|c[oó]digo"
    r"|seguridad|clave|caduc\w*|venc\w*)\b",
    re.IGNORECASE,
)
_EXPIRY: Final = re.compile(
    r"\b(?:exp|expir\w*|valid|thru|venc\w*|caduc\w*|v[aá]lid\w*)\b", re.IGNORECASE
)
_MONTH: Final = r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|dic)[^\W\d_]*\.?"
_OF: Final = r"\W+(?:(?:of|the|year|in|de|del|el|a[nñ]o)\W+)*"
_AFTER_MONTH: Final = re.compile(f"{_MONTH}{_OF}$", re.IGNORECASE)
_BETWEEN_MONTH_AND_YEAR: Final = re.compile(_OF, re.IGNORECASE)
_DIGITS_OF_A_YEAR: Final = 2


def _judged(text: str, language: str, before: Tail | None) -> list[tuple[Run, bool]]:
    """All runs of digits, and whether each is private."""
    found = runs(text, language)
    earlier = before.digits if before is not None else 0
    return [
        (run, _is_private(run, text, earlier) or _is_year_of_expiry(run, previous, text))
        for previous, run in pairwise([None, *found])
        if run is not None
    ]


def _is_private(run: Run, text: str, earlier: int) -> bool:
    goes_on = earlier > 0 and run.leads and _is_read_out(run)
    if goes_on and earlier + run.digits >= FEWEST_DIGITS:
        return True
    return run.digits >= FEWEST_DIGITS and not (_is_time_of_day(run, text) or _is_idiom(run, text))


def _is_read_out(run: Run) -> bool:
    """Whether a first number is part of a longer number: `four two`, `two.`; not `one moment`."""
    return run.pauses or len(run.numbers) > 1


def _is_idiom(run: Run, text: str) -> bool:
    return any(
        idiom.start() <= run.start and run.end <= idiom.end() for idiom in _IDIOM.finditer(text)
    )


def _is_time_of_day(run: Run, text: str) -> bool:
    others = text[: run.start] + text[run.end :]
    is_time = _TIME.fullmatch(text[run.start : run.end]) is not None
    return is_time and _LETTER.search(others) is not None and not _SENSITIVE.search(others)


def _is_year_of_expiry(run: Run, previous: Run | None, text: str) -> bool:
    if run.digits != _DIGITS_OF_A_YEAR or not _EXPIRY.search(text[: run.start]):
        return False
    if _AFTER_MONTH.search(text[: run.start]):
        return True
    return previous is not None and bool(
        _BETWEEN_MONTH_AND_YEAR.fullmatch(text[previous.end : run.start])
    )
