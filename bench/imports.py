"""CPU time to import the `media` function, compared with botocore and a Kinesis client.

The layers are those of `sam build`. On Lambda their folders are read-only, so modules without
bytecode are compiled at every cold start; the same holds here. The SDK, which is part of the Lambda
runtime, comes from the development environment, compiled.
"""

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.handler import ENVIRONMENT
from bench.measures import BenchError, Measure
from bench.samples import ROOT
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.sam import Sam

BUDGET: Final = 0.45
_ROUNDS: Final = 25
_FUNCTION: Final = "import app"
_FLOOR: Final = "import botocore.session; botocore.session.get_session().create_client('kinesis')"
_LAYERS: Final = ("CallstreamLayer", "DependenciesLayer")
_SDK: Final = sysconfig.get_path("purelib")


def measure(state_dir: Path) -> list[Measure]:
    """Build the layers, and measure imports with them.

    Raises:
        BenchError: the layers cannot be built.
    """
    try:
        Sam(ROOT, ROOT / ".local" / "tools", state_dir).build()
    except LocalStackError as error:
        raise BenchError(str(error)) from None
    built = state_dir / "sam" / "build"
    with TemporaryDirectory() as folder:
        # As on Lambda: the function's folder, and one folder with all layers.
        deployed = [built / "MediaFrameFunction", Path(folder) / "opt"]
        for name in _LAYERS:
            shutil.copytree(built / name / "python", deployed[1], dirs_exist_ok=True)
        empty = [Path(folder) / "empty"]
        empty[0].mkdir()
        compiled = [_compiled(path, Path(folder) / path.name) for path in deployed[:1]]
        compiled.append(deployed[1])
        # Compiles modules of the SDK that have no bytecode yet.
        _cpu_seconds(_FLOOR, [], write_bytecode=True)
        cold, warm, floor = [], [], []
        for _ in range(_ROUNDS):
            cold.append(_cpu_seconds(_FUNCTION, deployed))
            floor.append(_cpu_seconds(_FLOOR, empty))
            warm.append(_cpu_seconds(_FUNCTION, compiled))
    return [
        _result("media function, layers as built", median(cold), median(floor), BUDGET),
        _result("the same, the function compiled too", median(warm), median(floor), None),
    ]


def _result(name: str, value: float, floor: float, budget: float | None) -> Measure:
    return Measure(
        section="import",
        name=name,
        value=value * 1e3,
        unit="ms CPU",
        against="botocore + a Kinesis client",
        floor=floor * 1e3,
        budget=budget,
        digits=1,
    )


def _compiled(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    compileall.compile_dir(target, quiet=2)
    return target


def _cpu_seconds(code: str, path: Sequence[Path], *, write_bytecode: bool = False) -> float:
    """CPU seconds of the code in a new interpreter, without the interpreter's start."""
    script = (
        "import sys, time; sys.path[1:1] = sys.argv[1:]; began = time.process_time(); "
        f"{code}; print(time.process_time() - began)"
    )
    # -S: no .pth files, and not our own sources, which are installed in place.
    options = ["-S"] if write_bytecode else ["-S", "-B"]
    done = subprocess.run(
        [sys.executable, *options, "-c", script, *path, _SDK],
        # Not the repository: the current folder comes first in the path.
        cwd=path[0] if path else os.sep,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)
