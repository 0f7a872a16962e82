"""`make clean` asks a person before it deletes recordings, and for nothing else."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.template import ROOT


@pytest.mark.parametrize(
    ("file", "asks"),
    [
        ("a/call.wav", True),
        ("tools/b/call.wav", False),
        # A bot's environment, as in docs/bots.md.
        ("pipecat/lib/python3.13/site-packages/pipecat/audio/dtmf-1.wav", False),
    ],
)
def test_make_clean_asks_about_recordings_alone(tmp_path: Path, file: str, *, asks: bool) -> None:
    script = tmp_path / "scripts" / "ask-before-clean"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / script.name, script)
    recording = tmp_path / ".local" / file
    recording.parent.mkdir(parents=True)
    recording.touch()
    person, terminal = pty.openpty()
    os.write(person, b"n\n")
    try:
        done = subprocess.run(
            ["/bin/sh", script, ""], stdin=terminal, capture_output=True, text=True, check=False
        )
    finally:
        os.close(person)
        os.close(terminal)

    assert (done.returncode, "Delete .local with 1 recordings" in done.stdout) == (asks, asks)
