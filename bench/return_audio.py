"""Posts to the carrier for what a consumer says, and how long the carrier is silent meanwhile.

The return path of a fork posts to a carrier's side that takes a while for each post. The loop's
time jumps to the next timer, so the numbers are the same on every machine.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, override

from bench.measures import Measure
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import ReturnEvent, ReturnMedia
from callstream.relays.sinks.fork import ForkProtocol
from callstream.relays.sinks.posting import LegSender
from callstream.relays.sinks.return_path import ReturnPath
from tests.unit.relays.scenes import CALL, play_without_waiting

MESSAGE_SECONDS: Final = 0.02
_RATE: Final = PCMU_8K.byte_rate
_SENTENCE: Final = 5.0
_QUICK, _USUAL = 0.005, 0.05
"""How long a post takes, in seconds."""
_CONSUMERS: Final = {"20 ms in real time": (1.0, 50), "a sentence at once": (0.0, 15)}
"""The pause between two messages, in times of their audio, and the budget of posts a second."""


def measure() -> list[Measure]:
    """Play a sentence of each consumer, with quick and with usual posts."""
    found: list[Measure] = []
    for name, (pause, budget) in _CONSUMERS.items():
        quick, usual = (speak(_SENTENCE, pause, seconds) for seconds in (_QUICK, _USUAL))
        found += [
            _line(f"posts a second of speech, {name}", quick.posts_a_second, "", budget),
            _line(f"the same, a post takes {_USUAL * 1e3:g} ms", usual.posts_a_second, "", budget),
            # A consumer in real time is ahead of the carrier by one post, once that was waited for.
            _line("silence in that sentence", usual.silence * 1e3, "ms", pause * _USUAL * 1e3),
        ]
    return found


def _line(name: str, value: float, unit: str, budget: float) -> Measure:
    return Measure("return", name, value, unit, budget=budget, digits=1)


@dataclass
class Carrier(LegSender):
    """A carrier's side that takes `seconds` for each post, and plays at once what it gets."""

    seconds: float
    posts: list[tuple[float, int]] = field(default_factory=list)
    """When each post with audio began, and how many bytes it had."""
    l16_byte_order = "big"

    @override
    async def send_back(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool = False
    ) -> Collection[str]:
        del return_format, ends_speech
        if isinstance(event, ReturnMedia) and event.audio:
            now = asyncio.get_running_loop().time()
            self.posts.append((now, len(event.audio)))
        await asyncio.sleep(self.seconds)
        return ()

    @override
    async def other_legs(self) -> Collection[str]:
        return ()

    @property
    def speech(self) -> float:
        """The posted audio in seconds."""
        return sum(size for _, size in self.posts) / _RATE

    @property
    def posts_a_second(self) -> float:
        """Posts for each second of audio."""
        return len(self.posts) / self.speech

    @property
    def silence(self) -> float:
        """How many seconds the carrier has nothing to play between the first audio and the last."""
        played_at = silent = 0.0
        for at, size in self.posts:
            silent += max(0.0, at - played_at) if played_at else 0.0
            played_at = max(played_at, at) + size / _RATE
        return silent


def speak(seconds: float, pause: float, post_seconds: float) -> Carrier:
    """Let a consumer send speech in messages of 20 ms.

    Args:
        seconds: how much.
        pause: the time from one message to the next, in times of a message's audio.
        post_seconds: how long each post to the carrier takes.
    """
    carrier = Carrier(post_seconds)

    async def act() -> None:
        fork = ForkProtocol("telnyx", CALL, return_format=PCMU_8K)
        clock = asyncio.get_running_loop().time
        path = ReturnPath(fork, carrier, _NoMarks(), lambda _: None, clock)
        posting = asyncio.create_task(path.post())
        payload = b64encode(bytes(round(MESSAGE_SECONDS * _RATE))).decode()
        text = json.dumps({"event": "media", "media": {"payload": payload}})
        for _ in range(round(seconds / MESSAGE_SECONDS)):
            await path.receive(text)
            if pause:
                await asyncio.sleep(pause * MESSAGE_SECONDS)
        async with asyncio.timeout(10 * seconds):
            while carrier.speech < seconds - MESSAGE_SECONDS / 2:  # noqa: ASYNC110  # time jumps
                await asyncio.sleep(MESSAGE_SECONDS)
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)

    play_without_waiting(act)
    return carrier


class _NoMarks:
    async def subscribe_marks(self, stream_id: str) -> None: ...
