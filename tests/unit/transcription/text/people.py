"""How people say numbers: strategies for digits in words, and for what is said around them."""

from hypothesis import strategies as st


def _words(text: str) -> list[str]:
    return text.split()


DIGITS = {
    "en-US": _words("zero one two three four five six seven eight nine"),
    "es-US": _words("cero uno dos tres cuatro cinco seis siete ocho nueve"),
}
_TEENS = {
    "en-US": _words(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    ),
    "es-US": _words(
        "diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve "
        "veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis "
        "veintisiete veintiocho veintinueve"
    ),
}
_TENS = {
    "en-US": _words("twenty thirty forty fifty sixty seventy eighty ninety"),
    "es-US": _words("treinta cuarenta cincuenta sesenta setenta ochenta noventa"),
}
# A place in braces is a space or a hyphen.
_BETWEEN = {"en-US": "{}", "es-US": " y "}
TWO_DIGITS = {
    language: _TEENS[language]
    + [
        ten if unit == 0 else f"{ten}{_BETWEEN[language]}{DIGITS[language][unit]}"
        for ten in _TENS[language]
        for unit in range(10)
    ]
    for language in DIGITS
}
_HUNDREDS = {
    "en-US": [f"{digit} hundred" for digit in DIGITS["en-US"][1:]],
    "es-US": _words(
        "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos "
        "ochocientos novecientos"
    ),
}
_THOUSAND = {"en-US": "thousand", "es-US": "mil"}
_REPEATS = {"en-US": {2: "double", 3: "triple"}, "es-US": {2: "doble", 3: "triple"}}
HESITATIONS = {"en-US": _words("uh um dash"), "es-US": _words("eh este guion")}
# Words around numbers, of which none is a number; some sound like numbers, or contain one.
WORDS = {
    "en-US": _words(
        "my card is please the account of charge it again thanks no someone fortune tent weight "
        "hundreds often canine oneself wonder before today street seventh fourth"
    ),
    "es-US": _words(
        "mi tarjeta es por favor la cuenta de gracias otra vez ninguno calle dosis seises "
        "miles entonces cuarto nuevamente treintena"
    ),
}


@st.composite
def ways(draw: st.DrawFn, digits: str, language: str) -> str:
    """A way of saying digits: by figures, digits, pairs, hundreds, thousands, repeats."""
    said: list[str] = []
    rest = digits
    while rest:
        length, words = draw(st.sampled_from(_pieces(rest, language)))
        rest = rest[length:]
        said.append(words.format(draw(st.sampled_from([" ", "-"]))))
        if not rest:
            break
        if words in _TENS[language]:
            # Nobody says 201 as `twenty one` without a pause: that is 21.
            said.append(", ")
        elif said == ["oh"] or not rest.strip("0"):
            # `Oh, two`, `oh, um, two` and `two, uh, oh` are something else.
            said.append(" ")
        else:
            said.append(draw(st.sampled_from([" ", " ", " ", ", ", "-", " - ", ". ", " … "])))
            if draw(st.integers(0, 9)) == 0:
                said.append(draw(st.sampled_from(HESITATIONS[language])) + " ")
    return "".join(said)


def _pieces(digits: str, language: str) -> list[tuple[int, str]]:
    """How the next digits may be said: how many they are, and the words."""
    first = int(digits[0])
    found = [(1, digits[0]), (1, DIGITS[language][first])]
    found += [(length, digits[:length]) for length in (2, 4) if len(digits) >= length]
    if first == 0:
        return [*found, (1, "oh")] if language == "en-US" else found
    found += [
        (count, f"{word} {DIGITS[language][first]}")
        for count, word in _REPEATS[language].items()
        if digits.startswith(digits[0] * count)
    ]
    if len(digits) >= 2:
        found.append((2, _below_1000(int(digits[:2]), language)))
    if len(digits) >= 3:
        found.append((3, _below_1000(int(digits[:3]), language)))
    if len(digits) >= 4:
        rest = _below_1000(int(digits[1:4]), language) if int(digits[1:4]) else ""
        thousand = f"{DIGITS[language][first]} {_THOUSAND[language]} {rest}".strip()
        found.append((4, thousand.removeprefix("uno ")))
    return found


def _below_1000(number: int, language: str) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return DIGITS[language][rest] if rest < 10 else TWO_DIGITS[language][rest - 10]
    if not rest:
        return (
            "cien" if number == 100 and language == "es-US" else _HUNDREDS[language][hundreds - 1]
        )
    return f"{_HUNDREDS[language][hundreds - 1]} {_below_1000(rest, language)}"


def around(language: str) -> st.SearchStrategy[str]:
    """Some words that are said before or after a number."""
    return st.lists(st.sampled_from(WORDS[language]), max_size=5).map(" ".join)


def spoken_as(language: str) -> st.SearchStrategy[tuple[str, str]]:
    """Digits and a way of saying them."""
    return st.text("0123456789", min_size=3, max_size=19).flatmap(
        lambda digits: st.tuples(st.just(digits), ways(digits, language))
    )
