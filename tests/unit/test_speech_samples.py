"""The measure of speech recognition."""

import pytest

from tests.speech_samples import sentences, synthesise, word_error_rate, word_errors


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
        ("It's half-past ten.", "It\N{RIGHT SINGLE QUOTATION MARK}s half past ten", 0),
    ],
)
def test_word_errors_counts_replaced_missing_and_added_words(
    said: str, understood: str, errors: int
) -> None:
    assert word_errors(said, understood) == errors


def test_word_error_rate_weighs_sentences_by_their_words() -> None:
    assert word_error_rate([("one two three", "one two three"), ("four", "five")]) == 1 / 4


def test_twenty_sentences_of_two_voices_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert len(sentences()) == 20
    assert {sample.voice for sample in sentences()} == {"rms", "slt"}
    assert all(16_000 < len(synthesise(*sample)) < 96_000 for sample in sentences())
