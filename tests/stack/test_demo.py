"""`make run`, with a shorter call."""

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from callstream.dialects.events import Track
from callstream_cli import audio
from callstream_cli.consoles import SafeConsole
from callstream_cli.demo import command
from tests.stack.conftest import DeployedStack

SECONDS = 4
# In seconds: where the first line of each speaker begins, with some silence before.
BEGINS: Mapping[Track, float] = {"inbound": 3.6, "outbound": 0.0}


def test_demo_forks_its_call_and_finds_no_fault(
    stack: DeployedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both speak at once, so that the call is short.
    whole = audio.load(command.RECORDING)
    spoken = {
        track: whole[track][round(begin * 8000) :][: SECONDS * 8000]
        for track, begin in BEGINS.items()
    }
    recording = tmp_path / "recording.wav"
    audio.save(recording, spoken)
    monkeypatch.setattr(command, "RECORDING", recording)
    monkeypatch.setattr(command, "SAID", command.SAID[:2])
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "_RECORDINGS", tmp_path / "demo")
    told = io.StringIO()

    assert asyncio.run(command._play(SafeConsole(file=told, width=200), stack.description))

    text = told.getvalue()
    assert "✓ Every frame arrived: 200 inbound and 200 outbound, bit for bit." in text
    assert "✓ Both consumers got every frame since they joined, bit for bit." in text
    assert "✓ The transcript has what was said: 17 of 17 words." in text
    for said in ("agent   Good morning, you", "caller  My water has been off"):
        assert said in text
    assert text.count("Latency  since sent p50") == 3
    assert text.count("ms in its first 1 s, which waits for order") == 2
    assert max(map(len, text.splitlines())) <= 100
    files = {path.name.partition("-")[0]: path for path in (tmp_path / "demo").iterdir()}
    forks = [files.pop(dialect) for dialect in ("telnyx", "signalwire")]
    assert all(audio.load(fork).keys() == spoken.keys() for fork in forks)
    [landed] = files.values()
    assert audio.load(landed) == spoken
