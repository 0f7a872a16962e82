"""A recogniser on Amazon's engine, whose stand-in goes wrong: no word is lost or doubled.

Needs a loopback socket, no stack.
"""

import asyncio
import time
from itertools import batched
from typing import Final

import pytest
from botocore.session import get_session

from callstream.adapters.aws.transcribe import TranscribeEngine
from callstream.transcription.engine import SessionSettings, Utterance
from callstream.transcription.recogniser import Recogniser, RecogniserLimits
from tests.tones import quiet, speech, stereo
from tests.transcribe_stand_in import Fault, StandIn

LEFT: Final = ("hello one two three", "red green blue north", "please goodbye")
RIGHT: Final = ("yes order number east", "no thanks address west south")
# The second track begins while the first one speaks.
AUDIO: Final = stereo(
    b"".join(map(speech, LEFT)), quiet(600) + b"".join(map(speech, RIGHT)) + quiet(100)
)
WORDS: Final = sum(len(line.split()) for line in LEFT + RIGHT)


async def _soon(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


def recognised(stand_in: StandIn, last_words: float = 3000) -> dict[int, str]:
    """What a recogniser gives for each channel, lower case, without stops."""
    given: list[Utterance] = []

    async def run() -> None:
        async with stand_in:
            session = get_session()
            session.set_config_variable("region", "us-east-1")
            session.set_credentials("test", "test")
            recogniser = Recogniser(
                TranscribeEngine(session, stand_in.url),
                SessionSettings("en-US", channels=2),
                begin_ms=0,
                settled_ms=(0, 0),
                give=given.append,
                clock=time.monotonic,
                sleep=_soon,
                limits=RecogniserLimits(last_words=last_words),
            )
            running = asyncio.create_task(recogniser.run())
            for piece in batched(AUDIO, 640, strict=False):
                recogniser.feed(bytes(piece))
                await asyncio.sleep(0)
            recogniser.finish()
            await running
            assert recogniser.lost_ms == 0

    asyncio.run(run())
    return {
        channel: " ".join(
            each.text.rstrip(".").lower() for each in given if each.channel == channel
        )
        for channel in (0, 1)
    }


SAID: Final = {0: " ".join(LEFT), 1: " ".join(RIGHT)}


@pytest.mark.parametrize("word", range(WORDS + 1))
def test_session_that_is_cut_at_any_word_loses_and_doubles_none(word: int) -> None:
    stand_in = StandIn(faults=[Fault("cut", word)])

    assert recognised(stand_in) == SAID
    assert len(stand_in.sessions) == 2


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("exception", 0, "LimitExceededException")] * 3,
        # A `close` after the end of the audio would be the end of the session.
        [Fault("exception", 5), Fault("cut", 8), Fault("cut", "start")],
        [Fault("cut", "end"), Fault("exception", "end", "ServiceUnavailableException")],
    ],
    ids=str,
)
def test_sessions_that_go_wrong_lose_and_double_no_word(faults: list[Fault | None]) -> None:
    assert recognised(StandIn(faults=[*faults], results_an_event=2)) == SAID
    assert recognised(StandIn(faults=[*faults], final_delay_s=0.01)) == SAID


def test_session_that_falls_silent_before_the_end_loses_no_word() -> None:
    stand_in = StandIn(faults=[Fault("deaf", 6)])

    assert recognised(stand_in, last_words=100) == SAID
    assert len(stand_in.sessions) == 2
