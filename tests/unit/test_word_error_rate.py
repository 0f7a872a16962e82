"""The measure of speech recognition."""

import pytest

from tests.word_error_rate import word_error_rate, word_errors


@pytest.mark.parametrize(
    ("said", "understood", "errors"),
    [
        ("Good morning, how are you?", "good morning how are you", 0),
        ("Good morning, how are you?", "", 5),
        ("", "Good morning", 2),
        ("one two three", "one too three", 1),
        ("one two three", "one three", 1),
        ("one two three", "oh one two three", 1),
        ("one two three", "two three four", 2),
        ("one two three", "123", 2),  # a hundred twenty three
        ("Twenty-one of 1,205, 0 or 90", "21 of one thousand two hundred five, zero or ninety", 0),
        ("10 days", "ten days", 0),
        ("four two four two four", "42424", 0),
        ("zero five", "05", 0),
        # Nothing else is made equal.
        ("OK, for two", "okay four too", 3),
        ("It is a color", "it's a colour", 3),
        ("It's half-past ten.", "It\N{RIGHT SINGLE QUOTATION MARK}s half past ten", 0),
    ],
)
def test_word_errors_counts_replaced_missing_and_added_words(
    said: str, understood: str, errors: int
) -> None:
    assert word_errors(said, understood) == errors


def test_word_error_rate_weighs_sentences_by_their_words() -> None:
    assert word_error_rate([("one two three", "one two three"), ("four", "five")]) == 1 / 4
