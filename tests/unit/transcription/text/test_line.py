"""All rules together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.frames.records import Word
from callstream.transcription.engine import PrivateSpan, Utterance
from callstream.transcription.model import Phrase, Redaction, TranscriptionSettings
from callstream.transcription.text.line import LineText, line_text
from callstream.transcription.text.redaction import Tail
from tests.unit.transcription.text.people import DIGITS, spoken_as


def line(text: str, private: tuple[int, int] | None = None, **settings: Any) -> LineText:
    spans = () if private is None else (PrivateSpan(*private),)
    said = Utterance(0, 1000, 2000, text, private=spans)
    return line_text(said, TranscriptionSettings(**settings))


@pytest.mark.parametrize(
    ("redaction", "text", "unredacted"),
    [
        ("redacted", "It's ## ##.", None),
        ("unredacted", "It's 42 42.", None),
        ("both", "It's ## ##.", "It's 42 42."),
    ],
)
def test_line_has_the_texts_that_are_asked_for(
    redaction: Redaction, text: str, unredacted: str | None
) -> None:
    found = line("It's 42 42.", redaction=redaction, word_times=True)

    assert (found.text, found.unredacted) == (text, unredacted)
    assert " ".join(word.before + word.text + word.after for word in found.words) == text


@given(st.text())
def test_unredacted_text_is_the_text_of_the_engine(text: str) -> None:
    assert line(text, redaction="unredacted").text == text
    assert line(text, redaction="both").unredacted == text


@given(spoken_as("en-US"))
def test_words_are_redacted_as_the_text_is(said: tuple[str, str]) -> None:
    text = f"It is {said[1]}."

    found = line(text, word_times=True)

    words = {word.text.lower() for word in found.words}
    assert not words & {*DIGITS["en-US"], said[0]}
    assert " ".join(word.before + word.text + word.after for word in found.words) == (
        " ".join(found.text.split())
    )
    assert [word.start_ms for word in found.words] == sorted(word.start_ms for word in found.words)


def test_lines_have_no_words_unless_they_are_asked_for() -> None:
    assert line("Hello").words == ()
    assert line("Hello", word_times=True).words == (Word("Hello", 1000, 2000),)


# ── what the engine has marked ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "private", "expected"),
    [
        ("The password is tiger two.", (16, 25), "The password is ##### #."),
        ("The pin is forty-two, ok", (11, 20), "The pin is ##, ok"),
        ("I am O'Neill [NAME].", (5, 19), "I am #'##### [NAME]."),
        ("I am Ann", (6, 7), "I am ###"),
        ("I am Ann", (90, 99), "I am Ann"),
    ],
)
def test_marked_words_are_masked_letter_by_letter(
    text: str, private: tuple[int, int], expected: str
) -> None:
    assert line(text, private).text == expected


# ── the rules together ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("phrase", "sounds_like", "text", "redacted", "unredacted"),
    [
        # The vocabulary writes words for digits, and digits for words.
        ("For", "four", "It's four two four", "It's ### # ###", "It's For two For"),
        ("7-Eleven", "seven eleven", "at seven eleven", "at #-##", "at 7-Eleven"),
        ("747", "jumbo", "the jumbo, 4", "the ###, #", "the 747, 4"),
        # Neither splits a number.
        ("B", "be", "be 4 2 be 4 2", "B 4 2 B 4 2", "B 4 2 B 4 2"),
    ],
)
def test_redaction_depends_on_no_order(
    phrase: str, sounds_like: str, text: str, redacted: str, unredacted: str
) -> None:
    vocabulary = (Phrase(phrase=phrase, sounds_like=(sounds_like,)),)

    found = line(text, vocabulary=vocabulary, redaction="both")

    assert (found.text, found.unredacted) == (redacted, unredacted)


def test_marks_keep_their_place_after_the_vocabulary() -> None:
    vocabulary = (Phrase(phrase="Incorporated", sounds_like=("inc",)),)

    assert line("Acme inc, I am Ann", (15, 18), vocabulary=vocabulary).text == (
        "Acme Incorporated, I am ###"
    )


def test_plain_text_is_redacted_before_its_punctuation_goes() -> None:
    found = line("It's Forty-two, 42. OK!", smart_formatting=False, redaction="both")

    assert (found.text, found.unredacted) == ("it's ## ## ok", "it's forty two 42 ok")


def test_number_goes_on_in_the_next_line() -> None:
    first = line("four two four two")
    soon = Utterance(0, 11_000, 12_000, "two.")
    late = Utterance(0, 12_001, 13_000, "two.")

    assert first.tail == Tail(4, 2000)
    settings = TranscriptionSettings()
    assert line_text(soon, settings, first.tail).text == "#."
    assert line_text(late, settings, first.tail).text == "two."
