"""Numbers in a text, in figures or spoken words: digit by digit, in pairs, by hundreds.

`runs` finds digits that follow one another with nothing else between them.
"""

import re
from typing import Final

from msgspec import Struct

from callstream.transcription.text.number_words import NumberWord, number_word


class Number(Struct, frozen=True):
    """One number or digit: `text[start:end]`, and how many digits it has.

    `is_homophone`: a word such as `for` between digits, which may be a digit that was misheard.
    """

    start: int
    end: int
    digits: int
    is_figures: bool
    is_homophone: bool = False


class Run(Struct, frozen=True):
    """Numbers that follow one another.

    Attributes:
        leads: nothing else has been said before.
        trails: nothing else is said afterwards.
        pauses: a punctuation mark or the end of the text follows.
    """

    numbers: tuple[Number, ...]
    leads: bool
    trails: bool
    pauses: bool

    @property
    def start(self) -> int:
        """Where the first number begins."""
        return self.numbers[0].start

    @property
    def end(self) -> int:
        """Where the last number ends."""
        return self.numbers[-1].end

    @property
    def digits(self) -> int:
        """How many digits have been said; homophones do not count."""
        return sum(number.digits for number in self.numbers if not number.is_homophone)


class _Symbol(Struct, frozen=True):
    """A word or a boundary, as a letter for the grammar below; `.` is any other word."""

    kind: str
    start: int
    end: int
    value: int = 0


_PIECE: Final = re.compile(r"(?P<figures>\d+)|(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)*)")
_TIGHT: Final = re.compile(r"[\s\-\u2010-\u2015]*")
_MOST_SMALL_FIGURES: Final = 3

# The grammar of numbers, over the letters of `number_words.KINDS`.
_BELOW_100: Final = "(?:Y(?:y[Ua]|U)?|TyU|T|U|F)"
# `eight hundred five` is 805, but `eight hundred five five five` is 800 555.
_REST: Final = _BELOW_100.replace("|U|", "|U(?![UZO])|")
_HUNDREDS: Final = f"(?:(?:{_BELOW_100}|a)H(?:&?{_REST})?|H&?{_REST}|C{_REST}?)"
_SMALL: Final = f"(?:{_HUNDREDS}|{_BELOW_100})"
_THOUSANDS: Final = f"(?:(?:{_SMALL}|a)[KN](?:&?{_SMALL})?|NN?{_SMALL}?|K&?{_SMALL})"
_MILLIONS: Final = f"(?:(?:{_SMALL}|a)M(?:&?(?:{_THOUSANDS}|{_SMALL}))?)"
_NUMBER: Final = re.compile(
    f"(?P<repeated>D(?:{_BELOW_100}|[ZO]))|{_MILLIONS}|{_THOUSANDS}|{_SMALL}|[GZO]"
)
_HARD_JOIN: Final = re.compile("[|:f]*")
_SOFT_JOIN: Final = re.compile("[|:f]*[sh&y][|:f&y]*[s]?[|:f]*")
_BESIDE_ZERO: Final = tuple("ZOUTYHCKNMDFG")
_NOT_SAID: Final = "|:f"
_OPENING: Final = "|:fs&y"
_CLOCK: Final = re.compile(r"\bo clock\b", re.IGNORECASE)


def runs(text: str, language: str) -> list[Run]:
    """All runs of numbers, from left to right.

    Args:
        text: a line.
        language: such as `en-US`; its words come first.
    """
    symbols = _symbols(text, language)
    kinds = "".join(symbol.kind for symbol in symbols)
    found: list[Run] = []
    run: list[Number] = []
    first = last = 0
    for match in _NUMBER.finditer(kinds):
        number = _number(symbols[match.start() : match.end()], is_repeated=bool(match["repeated"]))
        between = symbols[last : match.start()]
        if run and _joins(kinds[last : match.start()], run[-1], number):
            run += [_homophone(symbol) for symbol in between if symbol.kind == "h"]
        else:
            if run:
                found.append(_run(run, kinds, first, last))
            run, first = [], match.start()
        run.append(number)
        last = match.end()
    if run:
        found.append(_run(run, kinds, first, last))
    return found


def is_silent(text: str, language: str) -> bool:
    """Whether a text says nothing, or only hesitates."""
    return all(symbol.kind in _NOT_SAID for symbol in _symbols(text, language))


def _run(numbers: list[Number], kinds: str, first: int, last: int) -> Run:
    after = kinds[last:]
    return Run(
        tuple(numbers),
        leads=not kinds[:first].strip(_OPENING),
        trails=not after.strip(_NOT_SAID),
        pauses=not after or after[0] in _NOT_SAID,
    )


def _joins(between: str, before: Number, after: Number) -> bool:
    if _HARD_JOIN.fullmatch(between):
        return True
    are_single = before.digits == after.digits == 1
    return are_single and _SOFT_JOIN.fullmatch(between) is not None


def _homophone(symbol: _Symbol) -> Number:
    return Number(symbol.start, symbol.end, 1, is_figures=False, is_homophone=True)


def _number(symbols: list[_Symbol], *, is_repeated: bool) -> Number:
    start, end = symbols[0].start, symbols[-1].end
    if len(symbols) == 1 and symbols[0].kind in "FG":
        return Number(start, end, end - start, is_figures=True)
    if is_repeated:
        digits = symbols[0].value * len(str(_value(symbols[1:])))
    else:
        digits = len(str(_value(symbols)))
    return Number(start, end, digits, is_figures=False)


def _value(symbols: list[_Symbol]) -> int:
    total = current = 0
    for symbol in symbols:
        match symbol.kind:
            case "H":
                current = max(current, 1) * symbol.value
            case "K" | "N" | "M":
                total += max(current, 1) * symbol.value
                current = 0
            case _:
                current += symbol.value
    return total + current


def _symbols(text: str, language: str) -> list[_Symbol]:
    clocks = {match.start() for match in _CLOCK.finditer(text)}
    symbols: list[_Symbol] = []
    end = 0
    for piece in _PIECE.finditer(text):
        gap = text[end : piece.start()]
        if symbols and not _TIGHT.fullmatch(gap):
            symbols.append(_Symbol(":" if gap == ":" else "|", end, piece.start()))
        end = piece.end()
        if piece.start() in clocks:
            symbols.append(_Symbol(".", *piece.span()))
        elif piece["figures"]:
            is_small = end - piece.start() <= _MOST_SMALL_FIGURES
            value = int(piece[0]) if is_small else 0
            symbols.append(_Symbol("F" if is_small else "G", *piece.span(), value))
        else:
            meaning = number_word(piece[0], language) or NumberWord(".")
            symbols.append(_Symbol(meaning.kind, *piece.span(), meaning.value))
    if text[end:].strip() and symbols:
        symbols.append(_Symbol("|", end, len(text)))
    kinds = "".join(symbol.kind for symbol in symbols)
    for zeros in re.finditer("O+", kinds):
        start, end = zeros.span()
        if not _are_zeros(kinds[:start], kinds[end:]):
            kinds = kinds[:start] + "." * (end - start) + kinds[end:]
            for index in range(start, end):
                symbols[index] = _Symbol(".", symbols[index].start, symbols[index].end)
    return symbols


def _are_zeros(before: str, after: str) -> bool:
    """Whether `oh` is a zero: right beside a number, or after a pause where it ends or goes on.

    Args:
        before: the kinds of symbols before, in which each `O` is known to be a zero.
        after: the kinds of symbols afterwards.
    """
    if before.endswith(_BESIDE_ZERO) or after.startswith(_BESIDE_ZERO):
        return True
    before, after = before.rstrip(_NOT_SAID), after.lstrip(f"{_NOT_SAID}O")
    is_after = before.endswith(_BESIDE_ZERO)
    is_before = after.startswith(_BESIDE_ZERO)
    return (is_after and (is_before or not after)) or (is_before and "." not in before + after)
