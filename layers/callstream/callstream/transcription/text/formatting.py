"""Plain text instead of smart formatting: lower case, no punctuation. Figures stay figures."""

import re
from typing import Final

from callstream.transcription.text.draft import Draft, Edit
from callstream.transcription.text.placeholders import PLACEHOLDER

# Symbols that are read out as words are no punctuation, and neither is the mask.
_PART: Final = re.compile(
    rf"(?P<kept>{PLACEHOLDER.pattern})|(?P<word>[^\W_]+)|(?P<marks>[^\w\s#$%&@+*=<>€£°]+)"
)
_APOSTROPHES: Final = frozenset("'\u2019")
_SPACE: Final = re.compile(r"^\s+|\s+$|\s{2,}")


def without_formatting(draft: Draft) -> Draft:
    """Lower-case words without punctuation.

    Apostrophes inside of words stay, and so do marks inside of numbers, as in `3.5`.
    """
    plain = draft.edited(
        Edit(*part.span(), part[0].lower() if part["word"] else _instead(draft.text, part))
        for part in _PART.finditer(draft.text)
        if not part["kept"]
    )
    return plain.edited(
        Edit(*space.span(), " " if 0 < space.start() < space.end() < len(plain.text) else "")
        for space in _SPACE.finditer(plain.text)
    )


def _instead(text: str, marks: re.Match[str]) -> str:
    before, after = text[: marks.start()][-1:], text[marks.end() :][:1]
    if not before.strip() or not after.strip():
        return ""
    if marks[0] in _APOSTROPHES or (_is_figure(before) and _is_figure(after)):
        return marks[0]
    return "" if marks[0] == "." else " "


def _is_figure(character: str) -> bool:
    return character.isdecimal() or character == "#"
