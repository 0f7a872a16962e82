"""The stand-in for Dialogflow with ears for `tests.tones`, so that tests know what is heard."""

from collections.abc import Iterable, Iterator
from typing import Any

from callstream_cli.dialogflow.hearing import Guess, Sentence, Sound, SpeechBegan
from callstream_cli.dialogflow.server import FakeDialogflow
from tests import tones


def fake_dialogflow(**options: Any) -> FakeDialogflow:
    """A stand-in that hears `tests.tones.speech`; options as `FakeDialogflow` has them."""
    return FakeDialogflow(lambda: ToneEar(tones.Ear()), **options)


def scripted_dialogflow(sentences: Iterable[str], **options: Any) -> FakeDialogflow:
    """A stand-in that takes whatever is loud, until a pause, for the next sentence."""
    script = iter(sentences)
    return FakeDialogflow(lambda: ToneEar(tones.ScriptedEar(script)), **options)


class ToneEar:
    """Recognises the tones of one stream."""

    def __init__(self, ear: tones.Ear) -> None:
        self._ear = ear
        self._is_speaking = False

    def hear(self, audio: bytes) -> list[Sound]:
        return self._sounds(self._ear.hear(audio))

    def finish(self) -> list[Sound]:
        return self._sounds(self._ear.end())

    def close(self) -> None:
        pass

    def _sounds(self, lines: Iterator[tones.Line]) -> list[Sound]:
        sounds: list[Sound] = []
        for line in lines:
            text, end_ms = " ".join(word.text for word in line.words), line.words[-1].end_ms
            if not self._is_speaking:
                sounds.append(SpeechBegan())
            sounds.append(Sentence(text, end_ms) if line.is_final else Guess(text, end_ms))
            self._is_speaking = not line.is_final
        return sounds
