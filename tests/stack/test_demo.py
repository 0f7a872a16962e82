"""`make run`, with a shorter call."""

import asyncio
import io
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from callstream_cli import audio
from callstream_cli.demo import command
from tests.stack.conftest import DeployedStack

SECONDS = 4


def test_demo_forks_its_call_and_finds_no_fault(
    stack: DeployedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(1)  # noqa: S311  # it must repeat
    spoken = {track: random.randbytes(SECONDS * 8000) for track in audio.TRACKS}
    recording = tmp_path / "recording.wav"
    audio.save(recording, spoken)
    monkeypatch.setattr(command, "RECORDING", recording)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "_RECORDINGS", tmp_path / "demo")
    told = io.StringIO()

    assert asyncio.run(command._play(Console(file=told, width=200), stack.description))

    text = told.getvalue()
    assert "✓ Every frame arrived: 200 inbound and 200 outbound, bit for bit." in text
    assert "✓ Both consumers got every frame since they joined, bit for bit." in text
    assert text.count("Latency  since sent p50") == 3
    assert text.count("ms in its first 1 s, which waits for order") == 2
    assert max(map(len, text.splitlines())) <= 100
    files = {path.name.partition("-")[0]: path for path in (tmp_path / "demo").iterdir()}
    forks = [files.pop(dialect) for dialect in ("telnyx", "signalwire")]
    assert all(audio.load(fork).keys() == spoken.keys() for fork in forks)
    [landed] = files.values()
    assert audio.load(landed) == spoken
