"""The measure of speech recognition: how many words are understood wrongly.

Capitals, punctuation and how numbers are written make no difference; everything else does.
"""

import re
from collections.abc import Iterable
from typing import Final

_NUMBERS: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
"""
_TEENS_END: Final = 20
_BELOW_20: Final = _NUMBERS.split()[:_TEENS_END]
_TENS: Final = _NUMBERS.split()[_TEENS_END:]
_MOST_FIGURES: Final = 4
_FIGURES: Final = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")


def words(text: str) -> list[str]:
    """The words of ``text``, without punctuation and capitals, and figures as words."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    spoken = _FIGURES.sub(lambda figures: f" {_spoken(figures[0].replace(',', ''))} ", plain)
    return re.findall(r"[a-z']+", spoken)


def _spoken(figures: str) -> str:
    """A number in words; digit by digit if it has many figures or begins with a zero."""
    if len(figures) > _MOST_FIGURES or figures.startswith("0"):
        return " ".join(_BELOW_20[int(digit)] for digit in figures)
    rest = int(figures)
    said: list[str] = []
    for unit, name in ((1000, "thousand"), (100, "hundred")):
        if rest >= unit:
            said += [_BELOW_20[rest // unit], name]
            rest %= unit
    if rest >= _TEENS_END:
        said.append(_TENS[rest // 10 - 2])
        rest %= 10
    return " ".join([*said, _BELOW_20[rest]] if rest else said)


def word_errors(said: str, understood: str) -> int:
    """How many words are replaced, missing or too many in ``understood``."""
    expected = words(understood)
    before = list(range(len(expected) + 1))
    for row, word in enumerate(words(said), 1):
        now = [row]
        for column, other in enumerate(expected, 1):
            replaced = before[column - 1] + (word != other)
            now.append(min(before[column] + 1, now[-1] + 1, replaced))
        before = now
    return before[-1]


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """The errors in all pairs of what was said and understood, over the words that were said."""
    pairs = list(pairs)
    return sum(word_errors(*pair) for pair in pairs) / sum(len(words(said)) for said, _ in pairs)
