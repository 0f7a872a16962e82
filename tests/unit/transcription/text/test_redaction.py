"""Redaction, over how people say numbers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.transcription.text.draft import Draft
from callstream.transcription.text.numbers import runs
from callstream.transcription.text.redaction import LONGEST_PAUSE_MS, Tail, going_on, redacted
from callstream.transcription.text.redaction import tail_of as tail_in_language
from tests.unit.transcription.text.people import (
    DIGITS,
    HESITATIONS,
    TWO_DIGITS,
    WORDS,
    around,
    spoken_as,
    ways,
)

LANGUAGES = st.sampled_from(["en-US", "es-US"])


def masked(text: str, language: str = "en-US", before: Tail | None = None) -> str:
    return redacted(Draft.of(text), [], language, before).text


def tail_of(text: str, before: Tail | None = None) -> Tail:
    return tail_in_language(text, 1000, "en-US", before)


@given(
    LANGUAGES.flatmap(
        lambda language: st.tuples(
            st.just(language), around(language), spoken_as(language), around(language)
        )
    )
)
def test_no_digit_of_a_private_number_survives_however_it_is_said_and_all_else_does(
    said: tuple[str, str, tuple[str, str], str],
) -> None:
    language, before, (_, number), after = said

    text = masked(f"{before} {number}, {after}", language)

    assert text.startswith(f"{before} ")
    assert text.endswith(f", {after}")
    middle = text.removeprefix(before).removesuffix(after)
    assert not set(re.findall(r"[^\W_]+", middle)) - set(HESITATIONS[language])


@given(
    LANGUAGES.flatmap(
        lambda language: st.tuples(
            st.just(language),
            st.lists(st.sampled_from([*WORDS[language], *DIGITS[language], *TWO_DIGITS[language]])),
        )
    ),
)
def test_text_without_three_digits_in_a_row_survives(said: tuple[str, list[str]]) -> None:
    language, words = said
    text = ", please, ".join(word.format("-") for word in words)

    assert masked(text, language) == text


@given(
    st.text("0123456789", min_size=6, max_size=16).flatmap(
        lambda digits: st.integers(1, len(digits) - 1).flatmap(
            lambda cut: st.tuples(ways(digits[:cut], "en-US"), ways(digits[cut:], "en-US"))
        )
    ),
)
def test_number_that_goes_on_after_a_pause_stays_private(lines: tuple[str, str]) -> None:
    first, second = (f"{line}." for line in lines)

    text = masked(second, before=tail_of(first))

    both = f"{masked(first)} {text}"
    assert sum(run.digits for run in runs(both, "en-US")) < 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("four two four two", "# # # #"),
        ("It's Forty-two forty two.", "It's ## ##."),
        ("4242 4242-4242, 4.2", "#### ####-####, #.#"),
        ("double four, triple oh", "##, ###"),
        ("double-oh seven", "## #"),
        ("oh two one", "# # #"),
        ("twelve oh", "## #"),
        ("one hundred and twenty-three", "###"),
        ("a hundred five", "###"),
        ("four thousand two hundred forty two", "####"),
        ("eighteen hundred, five thousand", "####, ####"),
        ("two million three hundred thousand", "#######"),
        ("one eight hundred five five five", "# ### # # #"),
        ("5 hundred", "###"),
        ("+1 (555) 123-4567", "+# (###) ###-####"),
        ("four two uh four two dash one", "# # uh # # dash #"),
        ("four two and then four two", "# # and then # #"),
        ("four two for two", "# # # #"),
        ("expires 12/26", "expires ##/##"),
        ("expires oh five twenty-seven", "expires # # ##"),
        ("it expires in May of twenty seven", "it expires in May of ##"),
        ("valid thru twelve of twenty-six", "valid thru twelve of ##"),
        ("CVV: 4:42", "CVV: #:##"),
        ("4:42.", "#:##."),
        ("A123B", "A###B"),
        ("in 2026", "in ####"),
        ("٤٢٤٢", "####"),
        ("twenty four seven one", "## # #"),
    ],
)
def test_private_numbers_are_masked_digit_by_digit(said: str, expected: str) -> None:
    assert masked(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("cuatro dos cuatro dos", "# # # #"),
        ("Cuarenta y dos, cuarenta y dos", "##, ##"),
        ("dieciséis veintidos", "## ##"),
        ("mil doscientos treinta y uno", "####"),
        ("ciento cinco", "###"),
        ("doble cero siete", "## #"),
        ("cien", "###"),
        ("diez y seis treinta y una", "## ##"),
        ("vence en mayo de veintisiete", "vence en mayo de ##"),
        ("once doce", "## ##"),
        ("cuatro eh dos guion uno", "# eh # guion #"),
        ("four two four two", "# # # #"),
    ],
)
def test_spanish_numbers_are_masked_too(said: str, expected: str) -> None:
    assert masked(said, "es-US") == expected


@pytest.mark.parametrize(
    "said",
    [
        "One moment.",
        "two things at three o'clock",
        "twelve o clock",
        "no one, one of us, for you two too",
        "once two people ate",
        "20 to 30 minutes, or one to two",
        "between 20 and 30",
        "oh, one moment",
        "Oh, twenty people.",
        "Twelve. Oh, I see.",
        "oh oh oh no",
        "at 2:30 today",
        "open 24/7",
        "a hundred percent",
        "it expires in two weeks",
        "it expires in twenty days",
        "the 4th of July",
        "B12",
        "double check",
        "hundreds of thousands",
        "[PHONE] 12",
    ],
)
def test_ordinary_words_stay_readable(said: str) -> None:
    assert masked(said) == said


@pytest.mark.parametrize(
    "said", ["uno, por favor", "mil gracias", "cien por ciento", "una o dos o tres", "once veces"]
)
def test_ordinary_words_stay_readable_in_spanish(said: str) -> None:
    assert masked(said, "es-US") == said


# ── a pause in mid-number ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("two.", "#."),
        ("forty two", "##"),
        ("and four two, thanks", "and # #, thanks"),
        ("uh, four two is the end", "uh, # # is the end"),
        ("Two, and it expires soon", "#, and it expires soon"),
        # These begin something new.
        ("One moment please.", "One moment please."),
        ("twenty minutes ago", "twenty minutes ago"),
        ("It is two.", "It is two."),
    ],
)
def test_rest_of_a_number_is_masked_after_a_pause(said: str, expected: str) -> None:
    assert masked(said, before=tail_of("my card is four two four two")) == expected


@pytest.mark.parametrize(
    ("before", "digits"),
    [
        ("four two four two", 4),
        ("it is ## #.", 3),
        ("it is 42, uh", 2),
        ("four two is it", 0),
        ("no number", 0),
        ("", 0),
    ],
)
def test_tail_counts_the_digits_at_the_end(before: str, digits: int) -> None:
    assert tail_of(before) == Tail(digits, 1000)


def test_tail_adds_up_over_lines_and_outlasts_hesitation() -> None:
    tail = tail_of("two", before=tail_of("uh", before=tail_of("it is four")))

    assert tail.digits == 2
    assert masked("two", before=tail) == "#"


def test_number_does_not_go_on_after_a_long_pause() -> None:
    tail = Tail(4, end_ms=1000)

    assert going_on(tail, 1000 + LONGEST_PAUSE_MS) == tail
    assert going_on(tail, 1001 + LONGEST_PAUSE_MS) is None
    assert going_on(None, 0) is None
