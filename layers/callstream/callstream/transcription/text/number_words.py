"""The words of numbers, in English and Spanish. Each has a kind, which is a letter, and a value."""

from functools import cache
from typing import Final

from msgspec import Struct


class NumberWord(Struct, frozen=True):
    """The meaning of a word in numbers. See `KINDS`."""

    kind: str
    value: int = 0


KINDS: Final = {
    "Z": "zero",
    "O": "zero, if a number is beside it: `oh`",
    "U": "one to nine",
    "T": "a word of two digits that no unit follows: `twelve`, `veintidós`",
    "Y": "a ten, which a unit may follow: `forty`",
    "H": "a hundred that multiplies what is before it",
    "C": "some hundreds in one word: `cien`, `doscientos`",
    "K": "a thousand that multiplies what is before it",
    "N": "a thousand that may stand alone: `mil`",
    "M": "a million",
    "D": "repeats the digit that follows: `double`",
    "F": "up to three figures",
    "G": "more figures",
    "a": "an article, which is a one before a hundred",
    "&": "`and` inside a number, or between digits",
    "y": "the same in Spanish",
    "s": "joins digits that are read out one by one, if digits are on both sides",
    "h": "the same, and sounds like a digit itself: `for`",
    "f": "may stand between digits: a hesitation, or a punctuation mark that is read out",
}


def _numbered(kind: str, first: int, words: str, step: int = 1) -> dict[str, NumberWord]:
    return {
        word: NumberWord(kind, first + index * step)
        for index, words_of_value in enumerate(words.split())
        for word in words_of_value.split("|")
    }


def _alike(kind: str, words: str, value: int = 0) -> dict[str, NumberWord]:
    return _numbered(kind, value, words, step=0)


_ENGLISH: Final = {
    **_alike("Z", "zero nought naught"),
    **_alike("O", "oh o"),
    **_numbered("U", 1, "one two three four five six seven eight nine"),
    **_numbered(
        "T",
        10,
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    ),
    **_numbered("Y", 20, "twenty thirty forty|fourty fifty sixty seventy eighty ninety", 10),
    **_alike("H", "hundred", 100),
    **_alike("K", "thousand", 1000),
    **_alike("M", "million", 1_000_000),
    **_numbered("D", 2, "double triple|treble quadruple"),
    **_alike("a", "a", 1),
    **_alike("&", "and"),
    **_alike("s", "then so well ok okay yes yeah right"),
    **_alike("h", "for to too ate won"),
    **_alike("f", "uh um uhm erm er hm hmm mm mmm ah eh dash hyphen dot point period slash space"),
}
_SPANISH: Final = {
    **_alike("Z", "cero"),
    **_numbered("U", 1, "uno dos tres cuatro cinco seis siete ocho nueve"),
    **_numbered(
        "T",
        10,
        "diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve "
        "veinte veintiuno|veintiun|veintiuna veintidos veintitres veinticuatro veinticinco "
        "veintiseis veintisiete veintiocho veintinueve",
    ),
    **_numbered("Y", 30, "treinta cuarenta cincuenta sesenta setenta ochenta noventa", 10),
    **_numbered(
        "C",
        100,
        "cien|ciento doscientos|doscientas trescientos|trescientas cuatrocientos|cuatrocientas "
        "quinientos|quinientas seiscientos|seiscientas setecientos|setecientas "
        "ochocientos|ochocientas novecientos|novecientas",
        100,
    ),
    **_alike("N", "mil", 1000),
    **_alike("M", "millon millones", 1_000_000),
    **_numbered("D", 2, "doble triple cuadruple"),
    **_alike("a", "un una", 1),
    **_alike("y", "y"),
    **_alike("s", "luego entonces bueno vale si"),
    **_alike("f", "eh este em mmm guion punto barra coma espacio"),
}
# Words of the one language that mean something else in the other.
_ENGLISH_ALONE: Final = frozenset({"a", "o", "ten", "too", "won", "ate", "to", "for"})
_SPANISH_ALONE: Final = frozenset({"once", "este", "y", "un", "una"})
_WITHOUT_ACCENTS: Final = str.maketrans("áéíóúü\u2019", "aeiouu'")


@cache
def _words(language: str) -> dict[str, NumberWord]:
    # Callers mix languages, so the other language's words count too, after the spoken language's.
    if language.startswith("es"):
        others = {word: _ENGLISH[word] for word in _ENGLISH.keys() - _ENGLISH_ALONE}
        return others | _SPANISH
    return {word: _SPANISH[word] for word in _SPANISH.keys() - _SPANISH_ALONE} | _ENGLISH


def number_word(word: str, language: str) -> NumberWord | None:
    """The meaning of a word in numbers, in any case, with accents or without.

    Args:
        word: letters only, or with apostrophes.
        language: such as `es-US`; all but Spanish are taken for English.
    """
    return _words(language).get(word.lower().translate(_WITHOUT_ACCENTS))
