"""Unchanged pipecat as a consumer: it reads forks, and its answers reach the carrier."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import audioop
import pytest

from callstream.dialects.events import Clear
from callstream_cli.listener.certificate import self_signed
from tests.stack.conftest import DeployedStack
from tests.stack.live import FRAME, LiveCall, play, signalwire, telnyx
from tests.template import ROOT

PYTHON = ROOT / ".local" / "tools" / "bench" / "bin" / "python"
SAMPLE_BYTES = 2
# Of pipecat_agent.py.
ANSWER = 3

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="pipecat is not installed: `make test` and `make bench` do it"
)


class Agent:
    """A process with pipecat in it, that takes one call."""

    def __init__(self, process: Process, scheme: str, port: int) -> None:
        self._process = process
        self.url = f"{scheme}://127.0.0.1:{port}/"

    async def report(self) -> Any:
        """What it heard and said, once its call is over."""
        output, errors = await self._process.communicate()
        assert self._process.returncode == 0, errors.decode()
        return json.loads(output)


@asynccontextmanager
async def pipecat(tmp_path: Path, *, tls: bool) -> AsyncIterator[Agent]:
    files: list[Path] = []
    if tls:
        certificate = self_signed("127.0.0.1")
        files = [tmp_path / "certificate.pem", tmp_path / "key.pem"]
        for path, pem in zip(files, (certificate.pem, certificate.key_pem), strict=True):
            path.write_bytes(pem)
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        ROOT / "tests" / "stack" / "pipecat_agent.py",
        *files,
        # It looks for a .env file, and greets on standard error.
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "LOGURU_LEVEL": "ERROR"},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield Agent(process, "wss" if tls else "ws", port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said_to_carrier(call: LiveCall) -> bytes:
    """What reaches the carrier: an answer and, when the caller presses a key, a clear."""
    said = await call.told_audio(ANSWER * FRAME)
    await call.press("1")
    assert isinstance(await call.told(), Clear)
    return said


def check(report: Any, call: LiveCall, said: bytes, kind: str) -> None:
    assert report["kind"] == kind
    assert report["call_id"] == call.id
    # Linear samples on both sides, in pipecat's own conversion.
    heard = b64decode(report["heard"])
    whole = audioop.ulaw2lin(call.audio, SAMPLE_BYTES)
    assert len(heard) > FRAME * SAMPLE_BYTES
    assert whole.endswith(heard)
    spoken = b"".join(b64decode(each) for each in report["said"])
    assert audioop.ulaw2lin(said, SAMPLE_BYTES) == spoken


def test_pipecats_telnyx_serializer_reads_a_fork_and_answers(
    stack: DeployedStack, tmp_path: Path
) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-pipecat-telnyx")
        async with pipecat(tmp_path, tls=False) as agent:
            async with call.going_on():
                await asyncio.to_thread(
                    telnyx,
                    stack,
                    call.id,
                    "streaming_start",
                    stream_url=agent.url,
                    stream_bidirectional_mode="rtp",
                    stream_bidirectional_codec="PCMU",
                    stream_bidirectional_target_legs="self",
                )
                said = await said_to_carrier(call)
            report = await agent.report()
        check(report, call, said, "telnyx")

    play(act)


def test_pipecats_twilio_serializer_reads_signalwires_fork_and_answers(
    stack: DeployedStack, tmp_path: Path
) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-pipecat-signalwire")
        async with pipecat(tmp_path, tls=True) as agent:
            async with call.going_on():
                fields = {"Url": agent.url, "Track": "inbound_track"}
                await asyncio.to_thread(signalwire, stack, call.id, **fields)
                said = await said_to_carrier(call)
            report = await agent.report()
        check(report, call, said, "twilio")

    play(act)
