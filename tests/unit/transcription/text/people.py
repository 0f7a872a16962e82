"""How people say numbers: strategies for digits in words, and for what is said around them."""

from collections.abc import Sequence

from hypothesis import strategies as st

DIGITS = {
    "en-US": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "es-US": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
}
BELOW_100 = {
    "en-US": {
        **dict(
            enumerate(
                [
                    "ten",
                    "eleven",
                    "twelve",
                    "thirteen",
                    "fourteen",
                    "fifteen",
                    "sixteen",
                    "seventeen",
                    "eighteen",
                    "nineteen",
                ],
                10,
            )
        ),
        **{
            10 * ten + unit: word if not unit else f"{word}{{}}{DIGITS['en-US'][unit]}"
            for ten, word in enumerate(
                ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
            )
            for unit in range(10)
        },
    },
    "es-US": {
        **dict(
            enumerate(
                [
                    "diez",
                    "once",
                    "doce",
                    "trece",
                    "catorce",
                    "quince",
                    "dieciséis",
                    "diecisiete",
                    "dieciocho",
                    "diecinueve",
                    "veinte",
                    "veintiuno",
                    "veintidós",
                    "veintitrés",
                    "veinticuatro",
                    "veinticinco",
                    "veintiséis",
                    "veintisiete",
                    "veintiocho",
                    "veintinueve",
                ],
                10,
            )
        ),
        **{
            10 * ten + unit: word if not unit else f"{word} y {DIGITS['es-US'][unit]}"
            for ten, word in enumerate(
                ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"], 3
            )
            for unit in range(10)
        },
    },
}
TENS = {
    language: [word for value, word in words.items() if value % 10 == 0]
    for language, words in BELOW_100.items()
}
HUNDREDS = {
    "en-US": [f"{digit} hundred" for digit in DIGITS["en-US"][1:]],
    "es-US": [
        "ciento",
        "doscientos",
        "trescientos",
        "cuatrocientos",
        "quinientos",
        "seiscientos",
        "setecientos",
        "ochocientos",
        "novecientos",
    ],
}
THOUSAND = {"en-US": "thousand", "es-US": "mil"}
REPEATS = {"en-US": {2: "double", 3: "triple"}, "es-US": {2: "doble", 3: "triple"}}
HESITATIONS = {"en-US": ["uh", "um", "dash"], "es-US": ["eh", "este", "guion"]}
# Words around numbers, none of which is a number; some sound like numbers, or are in other senses.
WORDS = {
    "en-US": [
        "my",
        "card",
        "is",
        "please",
        "the",
        "account",
        "of",
        "charge",
        "it",
        "again",
        "thanks",
        "no",
        "someone",
        "fortune",
        "tent",
        "weight",
        "hundreds",
        "often",
        "canine",
        "oneself",
        "wonder",
        "before",
        "today",
        "street",
        "seventh",
        "fourth",
    ],
    "es-US": [
        "mi",
        "tarjeta",
        "es",
        "por",
        "favor",
        "la",
        "cuenta",
        "de",
        "gracias",
        "otra",
        "vez",
        "ninguno",
        "calle",
        "dosis",
        "seises",
        "miles",
        "entonces",
        "cuarto",
        "nuevamente",
        "treintena",
    ],
}


@st.composite
def ways(draw: st.DrawFn, digits: str, language: str) -> str:
    """A way of saying digits: in pieces of figures, digits, pairs, hundreds, thousands, repeats."""
    said: list[str] = []
    rest = digits
    while rest:
        piece, word = draw(st.sampled_from(_pieces(rest, language)))
        rest = rest[piece:]
        said.append(word.format(draw(st.sampled_from([" ", "-"]))))
        if rest and piece == 2 and word in TENS[language]:
            # Nobody says 201 as `twenty one` without a pause: that is 21.
            said.append(", ")
        elif rest and said == ["oh"]:
            # `Oh, two` and `oh, um, two` are something else.
            said.append(" ")
        elif rest:
            said.append(draw(st.sampled_from([" ", " ", " ", ", ", "-", " - ", ". ", " … "])))
            if draw(st.integers(0, 9)) == 0:
                said.append(draw(st.sampled_from(HESITATIONS[language])) + " ")
    return "".join(said)


def _pieces(digits: str, language: str) -> Sequence[tuple[int, str]]:
    """How the next digits may be said: how many they are, and the words."""
    first = int(digits[0])
    found = [(1, digits[0]), (1, DIGITS[language][first])]
    found += [(length, digits[:length]) for length in (2, 4) if len(digits) >= length]
    if first == 0 and language == "en-US":
        found.append((1, "oh"))
    found += [
        (count, f"{word} {DIGITS[language][first]}")
        for count, word in REPEATS[language].items()
        if digits[:count] == digits[0] * count
    ]
    if first and len(digits) > 1:
        found.append((2, _below_100(digits[:2], language)))
    if first and len(digits) > 2:
        found.append((3, _below_1000(digits[:3], language)))
    if first and len(digits) > 3:
        rest = _below_1000(digits[1:4], language) if int(digits[1:4]) else ""
        thousand = f"{DIGITS[language][first]} {THOUSAND[language]} {rest}".strip()
        found.append((4, thousand.removeprefix("uno ")))
    return found


def _below_100(digits: str, language: str) -> str:
    value = int(digits)
    return DIGITS[language][value] if value < 10 else BELOW_100[language][value]


def _below_1000(digits: str, language: str) -> str:
    hundreds, rest = int(digits[0]), int(digits[1:])
    if not hundreds:
        return _below_100(digits[1:], language)
    if not rest:
        return "cien" if (hundreds, language) == (1, "es-US") else HUNDREDS[language][hundreds - 1]
    return f"{HUNDREDS[language][hundreds - 1]} {_below_100(digits[1:], language)}"


def around(language: str) -> st.SearchStrategy[str]:
    """Some words that are said before or after a number."""
    return st.lists(st.sampled_from(WORDS[language]), max_size=5).map(" ".join)


def spoken_as(language: str) -> st.SearchStrategy[tuple[str, str]]:
    """Digits and a way of saying them."""
    return st.text("0123456789", min_size=3, max_size=19).flatmap(
        lambda digits: st.tuples(st.just(digits), ways(digits, language))
    )
