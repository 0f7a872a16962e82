"""The programs of examples/, as docs/bots.md has them run, against one live call.

The web hooks are in test_carrier_webhooks.py, the bots of frameworks in test_agent_frameworks.py.
"""

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from callstream.dialects.events import Clear, ReturnMedia
from callstream_cli.local.shell import variables
from tests.stack.conftest import DeployedStack
from tests.stack.live import FRAME, LiveCall, play
from tests.stack.test_routes import AddAgent, add_agent
from tests.template import ROOT

__all__ = ["add_agent"]

SDK_PYTHON = ROOT / ".local" / "tools" / "signalwire-sdk" / "bin" / "python"


@asynccontextmanager
async def running(
    stack: DeployedStack, name: str, *arguments: str, python: str | Path = sys.executable
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An example, in a shell that has read `callstream env`."""
    process = await asyncio.create_subprocess_exec(
        python,
        ROOT / "examples" / name,
        *arguments,
        env={**os.environ, **variables(stack.description), "PORT": "0"},
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def fork(stack: DeployedStack, name: str, *arguments: str, python: str | Path) -> list[str]:
    """The lines that a script prints."""
    program = [python, ROOT / "examples" / name, *arguments]
    environment = {**os.environ, **variables(stack.description)}
    done = subprocess.run(program, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_examples_read_answer_and_fork_a_call(
    stack: DeployedStack, add_agent: AddAgent, consumer_url: str
) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-examples")
        async with running(stack, "echo.py") as echo, running(stack, "reader.py", "1") as reader:
            url = f"ws://127.0.0.1:{(await line(echo)).split()[-1]}/"
            agent = (url, "--route", "genagent", "--dialect", "telnyx")
            await asyncio.to_thread(add_agent, *agent)
            async with call.going_on():
                assert (await line(echo)).startswith("start: ")
                said = await call.told_audio(10 * FRAME)
                await call.press("1")
                while isinstance(event := await call.told(), ReturnMedia):
                    said += event.audio
                assert isinstance(event, Clear)

                # `telnyx`, `twilio` and `signalwire` create streams; the last two stop theirs, too.
                scripts = (
                    ("fork_telnyx.py", url, sys.executable),
                    ("fork_twilio.py", consumer_url, sys.executable),
                    ("fork_signalwire.py", consumer_url, SDK_PYTHON),
                )
                printed = {}
                for name, consumer, python in scripts:
                    stop = () if name == "fork_telnyx.py" else ("stop",)
                    arguments = (name, call.id, consumer, *stop)
                    printed[name] = await asyncio.to_thread(fork, stack, *arguments, python=python)
            assert said[: 10 * FRAME] in call.audio
            assert printed.pop("fork_telnyx.py") == ["ok"]
            for lines in printed.values():
                assert [each.split()[1] for each in lines] == ["in-progress", "stopped"]
            started = await line(reader)
            inbound = await line(reader)
        assert started.startswith("CA-examples starts: ")
        assert inbound.endswith(f" inbound {len(call.audio)}")

    play(act)
