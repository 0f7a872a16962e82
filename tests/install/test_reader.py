"""The reader, installed into an environment of its own as other projects do it.

This needs the package index, as `make setup` does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Start
from callstream.frames import records
from callstream.frames.records import Record
from tests.template import ROOT

UV = ROOT / ".local" / "tools" / "uv" / "bin" / "uv"
OLDEST = (3, 11)
START = Start(1, "MZ1", "CA1", "AC1", ("inbound",), PCMU_8K)


def run(*command: str | Path) -> str:
    # Nothing of this environment may be visible in the new one.
    hidden = ("PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(
        command, env=environment, cwd="/", check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def oldest_python() -> str:
    """An interpreter of the oldest version that the reader is for; this one if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    name = f"python{OLDEST[0]}.{OLDEST[1]}"
    candidates = [
        shutil.which(name),
        *map(str, pyenv.glob(f"versions/{OLDEST[0]}.{OLDEST[1]}.*/bin/python")),
    ]
    for candidate in filter(None, candidates):
        # The shims of version managers may be there without an interpreter behind them.
        program = f"import sys; sys.exit(sys.version_info[:2] != {OLDEST})"
        if (
            subprocess.run([candidate, "-c", program], check=False, capture_output=True).returncode
            == 0
        ):
            return str(candidate)
    return sys.executable


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the reader only."""
    folder = tmp_path_factory.mktemp("reader") / "venv"
    run(UV, "venv", "--quiet", "--no-project", "--python", oldest_python(), folder)
    python = folder / "bin" / "python"
    run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        f"callstream[reading] @ {ROOT.as_uri()}",
    )
    return python


def test_installed_reader_reads_a_stream_in_order(python: Path) -> None:
    record = Record("s1", "acme", "genagent", "twilio", 1_700_000_000_000, START)

    said = run(python, ROOT / "tests" / "install" / "reader.py", records.encode(record).hex())

    place, *version = said.split()
    assert Path(place).is_relative_to(python.parents[1])
    assert tuple(map(int, version)) >= OLDEST


def test_installed_reader_brings_nothing_of_the_command_line_tool(python: Path) -> None:
    installed = run(UV, "pip", "freeze", "--quiet", "--python", python).split()

    names = {line.partition("==")[0] for line in installed if "==" in line}
    assert {"boto3", "botocore", "msgspec"} <= names
    assert not names & {"typer", "rich", "numpy", "websockets", "pydantic"}
    assert not (python.parent / "callstream").exists()
