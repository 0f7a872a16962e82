"""Unchanged agent frameworks that speak Twilio's media streams, behind other carriers.

pipecat and Patter run as their documents say, with stand-ins for the models, in an environment of
their own. The carriers are SignalWire and Telnyx.
"""

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import audioop
import numpy as np
import pytest

from callstream.dialects.events import Clear, Mark, ReturnEvent, ReturnMark, ReturnMedia
from tests.stack.conftest import DeployedStack
from tests.stack.live import LiveCall, play
from tests.stack.test_routes import AddAgent, add_agent
from tests.template import ROOT

__all__ = ["add_agent"]

PYTHON = ROOT / ".local" / "tools" / "agents" / "bin" / "python"
EXAMPLES = ROOT / "examples"
RATE = 8000
SECONDS = 0.6
# Of the bots in examples/.
HERTZ = 1000

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the frameworks are not installed: `make test` does it"
)


class Bot:
    """A process with a framework in it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.origin = f"ws://127.0.0.1:{port}"

    async def report(self) -> Any:
        """What the bot knows of the call that has ended next."""
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def running(program: str, tmp_path: Path) -> AsyncIterator[Bot]:
    # The frameworks greet and log on standard error, and look for files of their own.
    with (tmp_path / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            EXAMPLES / program,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "LOGURU_LEVEL": "ERROR", "DO_NOT_TRACK": "1", "PORT": "0"},
            stdout=PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        listening = await process.stdout.readline()
        yield Bot(process, int(listening.split()[-1]))
    finally:
        process.kill()
        await process.wait()


class Caller:
    """A carrier with a caller, who hears the bot out, and then cuts in."""

    def __init__(self, call: LiveCall) -> None:
        self._call = call
        self._decode = audioop.alaw2lin if call.format.encoding == "PCMA" else audioop.ulaw2lin
        self.marks: list[str] = []

    async def _next(self) -> ReturnEvent:
        """The next message of the bot. The carrier returns marks as if all had been played."""
        event = await self._call.told()
        if isinstance(event, ReturnMark):
            self.marks.append(event.name)
            await self._call.say(Mark(None, event.name))
        return event

    async def hear(self, seconds: float) -> bytes:
        """The beginning of the bot's speech, in linear samples."""
        heard = b""
        while len(heard) < seconds * RATE * 2:
            event = await self._next()
            if isinstance(event, ReturnMedia):
                heard += self._decode(event.audio, 2)
        return heard

    async def cut_in(self) -> None:
        """Press a key, and wait until the carrier is to drop the rest."""
        await self._call.press("1")
        while not isinstance(await self._next(), Clear):
            pass


def assert_is_the_tone(heard: bytes) -> None:
    samples = np.frombuffer(heard, "<i2").astype(float)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    near = np.abs(hertz - HERTZ) < 20
    assert power[near].sum() > 0.95 * power.sum()


class Framework(NamedTuple):
    """A program in `EXAMPLES`, and where its agent is."""

    program: str
    path: str
    sets_marks: bool


@pytest.mark.parametrize(
    "framework",
    [
        Framework("pipecat_bot.py", "/ws", sets_marks=False),
        Framework("patter_bot.py", "/ws/stream/any", sets_marks=True),
    ],
    ids=lambda framework: framework.program,
)
def test_framework_talks_to_callers_of_other_carriers(
    stack: DeployedStack,
    add_agent: AddAgent,
    tmp_path: Path,
    framework: Framework,
) -> None:
    program, path, sets_marks = framework
    parameters = {"caller": "+13125550100"}
    calls = [
        LiveCall(stack, f"CA-signalwire-{program}", "signalwire", parameters=parameters),
        LiveCall(stack, f"v3:telnyx-{program}", "telnyx", "PCMA", parameters=parameters),
    ]

    async def talk(call: LiveCall) -> None:
        async with call.going_on():
            caller = Caller(call)
            assert_is_the_tone(await caller.hear(SECONDS))
            await caller.cut_in()
        assert bool(caller.marks) == sets_marks

    async def act() -> None:
        async with running(program, tmp_path) as bot:
            await asyncio.to_thread(
                add_agent,
                f"{bot.origin}{path}",
                *("--route", "genagent", "--dialect", "twilio", "--parameter", "lang=en"),
            )
            await asyncio.gather(*map(talk, calls))
            reports = [await bot.report() for _ in calls]
        assert {each["call_id"] for each in reports} == {call.id for call in calls}
        for report in reports:
            # Patter reports no kind and no stream.
            assert report.get("kind", "twilio") == "twilio"
            assert re.fullmatch("MZ[0-9a-f]{32}|", report.get("stream_id", ""))
            assert report["parameters"] == parameters | {"lang": "en"}
            assert report["keys"] == "1"
            assert report["heard"] > 0

    play(act)
