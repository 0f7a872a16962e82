"""The recorded sentences."""

import pytest

from tests.speech_samples import sentences, synthesise


def test_twenty_sentences_of_two_voices_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert len(sentences()) == 20
    assert {sample.voice for sample in sentences()} == {"rms", "slt"}
    assert all(16_000 < len(synthesise(*sample)) < 96_000 for sample in sentences())
