"""Spoken sentences at 8 kHz for tests and measurements of speech recognition.

flite's voices speak them, and a telephone's mu-law has been applied. The sentences named here are
recorded in tests/speech, so that tests need no flite; with flite this makes the files again:

    .venv/bin/python -m tests.speech_samples

The sentences are ordinary, and chosen so that a small model understands most of them: of fifty, it
takes 8 to 10 % of the words for others, as a synthetic voice is not clear on the telephone.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which
from typing import Final, Literal, NamedTuple

import audioop
import pytest

from callstream_cli import audio
from tests.word_error_rate import words

type Voice = Literal["rms", "slt"]
"""A voice of flite: a man's and a woman's."""

RECORDED: Final = Path(__file__).parent / "speech"
_TWENTY: Final = (
    "I have tried everything and I still cannot log in.",
    "Please hold the line while I look for your order.",
    "Thank you for calling, how can I help you today?",
    "There was a lot of traffic on the highway today.",
    "He said that he would call me back in the evening.",
    "I am calling about the invoice you sent me last week.",
    "Let me check that for you, it will take a minute.",
    "The manager is in a meeting and will be back soon.",
    "Would you like me to change the delivery address?",
    "We will send a technician to your house on Tuesday morning.",
    "I want to cancel my subscription at the end of the year.",
    "Please write down the number and keep it in a safe place.",
    "Everything is fine now, thanks for your help.",
    "You can pay the bill at any bank in the country.",
    "We need two tickets for the concert tonight.",
    "Your new credit card should arrive within ten days.",
    "Do you know if the pharmacy is still open?",
    "I forgot my password and cannot open my account.",
    "I need to talk to somebody about my insurance.",
    "The airline lost my suitcase and nobody can find it.",
)


class Sample(NamedTuple):
    """A sentence, and the voice that speaks it."""

    text: str
    voice: Voice


CARD: Final = Sample("My card number is four two four two.", "slt")
"""What nobody may see whose caller pauses the transcription."""


def sentences() -> list[Sample]:
    """Twenty sentences, in turns of two voices."""
    return [Sample(text, "rms" if at % 2 else "slt") for at, text in enumerate(_TWENTY)]


def synthesise(text: str, voice: Voice = "slt") -> bytes:
    """Speak ``text``: 16-bit linear PCM at 8 kHz, as it comes out of a telephone's mu-law.

    Skips the test if the sentence is not recorded and there is no flite.
    """
    recorded = _recorded(Sample(text, voice))
    if recorded.exists():
        return audioop.ulaw2lin(audio.load(recorded)["inbound"], 2)
    if which("flite") is None:
        pytest.skip("flite, which speaks the sentence, is not installed")
    return audioop.ulaw2lin(_speak(text, voice), 2)


def _recorded(sample: Sample) -> Path:
    name = "-".join(words(sample.text)).replace("'", "")
    return RECORDED / f"{name}.{sample.voice}.wav"


def _speak(text: str, voice: Voice) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        spoken = Path(directory) / "line.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(spoken)], check=True)  # noqa: S607
        return audio.load(spoken)["inbound"]


def main() -> None:
    """Record the sentences."""
    RECORDED.mkdir(exist_ok=True)
    for sample in [*sentences(), CARD]:
        audio.save(_recorded(sample), {"inbound": _speak(*sample)})
    print(sum(path.stat().st_size for path in RECORDED.iterdir()), "bytes", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
