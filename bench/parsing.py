"""Parsing and rendering a frame, compared with pipecat's serializers: see `bench.peers`."""

import json
import os
import subprocess
from typing import Any, Final

from bench.measures import BenchError, Measure
from bench.samples import ROOT

BUDGET: Final = 0.35
_TOOLS: Final = ROOT / ".local" / "tools"
_ENVIRONMENT: Final = _TOOLS / "bench"
_REQUIREMENTS: Final = ROOT / "requirements" / "bench.txt"
_LAST_LINES: Final = 3


def measure() -> list[Measure]:
    """Prepare pipecat's environment, and measure there.

    Raises:
        BenchError: pipecat cannot be installed or imported.
    """
    python = _prepare()
    results: dict[str, dict[str, list[float]]] = json.loads(
        _run(
            [python, "-m", "bench.peers"],
            env={
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "callstream")]),
                # Pipecat writes to standard error at import, and reads a .env file and HOME.
                "LOGURU_LEVEL": "ERROR",
                "HOME": str(_ENVIRONMENT),
            },
        )
    )
    return [line for dialect, compared in results.items() for line in _lines(dialect, compared)]


def _lines(dialect: str, results: dict[str, list[float]]) -> list[Measure]:
    peer = "Telnyx" if dialect == "telnyx" else "Twilio"
    return [
        Measure(
            section="parse",
            name=f"{what} a frame of {dialect}",
            value=ours * 1e6,
            unit="µs CPU",
            against=f"pipecat's {peer} {'serialize' if what == 'render' else 'deserialize'}",
            floor=theirs * 1e6,
            budget=BUDGET,
        )
        for what, (ours, theirs) in results.items()
    ]


def _prepare() -> str:
    """Install requirements/bench.txt, quick if nothing changed; returns the interpreter's path."""
    uv = _TOOLS / "uv" / "bin" / "uv"
    python = _ENVIRONMENT / "bin" / "python"
    kept = ("PATH", "HOME", "UV_", "SSL_", "PIP_", "HTTP", "http", "NO_PROXY", "no_proxy", "XDG_")
    env = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    if not python.exists():
        base = ROOT / ".venv" / "bin" / "python"
        _run(
            [uv, "venv", "--quiet", "--no-project", "--clear", "--python", base, _ENVIRONMENT],
            env=env,
        )
    sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, _REQUIREMENTS]
    _run(sync, env=env)
    return str(python)


def _run(command: list[Any], *, env: dict[str, str]) -> bytes:
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False)
    if done.returncode != 0:
        output = done.stderr.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise BenchError(f"pipecat cannot be installed or run: {' '.join(output)}")
    return done.stdout
