"""The public face for readers in Python: what it names, and that it can be installed on its own."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import callstream.reading
from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Media, Start, Stop
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream.reading import Arrival, StreamOver, follow
from tests.template import ROOT

SOURCE = ROOT / "layers" / "callstream"
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
    "wheel"
]


def packaged() -> set[Path]:
    """The modules that a wheel has."""
    paths = [ROOT / each for each in WHEEL["only-include"]]
    return {
        file
        for path in paths
        for file in (path.rglob("*.py") if path.is_dir() else [path])
        if file.suffix == ".py"
    }


def test_wheel_has_what_reading_imports_and_nothing_else() -> None:
    # In a process of its own: here, other tests have imported the rest of the library.
    program = (
        "import sys, callstream.reading\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('callstream')))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )

    assert {Path(file) for file in answer.stdout.split()} == packaged()


@pytest.mark.parametrize("path", sorted(packaged()), ids=lambda path: str(path.relative_to(SOURCE)))
def test_wheel_has_only_what_python_3_11_can_read(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 11))


def test_wheel_is_marked_as_typed() -> None:
    marker = SOURCE / "callstream" / "py.typed"

    assert marker.is_file()
    assert str(marker.relative_to(ROOT)) in WHEEL["only-include"]


def test_reading_names_are_sorted_and_there() -> None:
    names = callstream.reading.__all__

    assert names == sorted(names, key=lambda name: (name.islower(), name))
    assert all(hasattr(callstream.reading, name) for name in names)


@pytest.mark.parametrize("page", ["reading.md", "records.md"])
def test_documents_for_users_name_no_other_module(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()

    modules = {word.strip("`(),.") for word in text.split() if "callstream." in word}
    assert {word for word in modules if "import" not in word} <= {"callstream.reading"}


class Source:
    """A shard that gives everything at once, and then nothing."""

    def __init__(self, *arrivals: Arrival) -> None:
        self.arrivals = [*arrivals]

    def poll(self) -> list[Arrival]:
        given, self.arrivals = self.arrivals, []
        return given

    def seconds_behind(self, shard_id: str) -> float:
        assert shard_id == "shard-0"
        return 0.0

    def seconds_until_due(self) -> float:
        return 0.0


def test_follow_reads_a_stream_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[RecordEvent] = [
        Start(1, "MZ1", "CA1", "AC1", ("inbound",), PCMU_8K),
        *(Media(number, "inbound", number, number * 20, b"\xff") for number in range(2, 5)),
        Stop(5),
        Disconnected(1000, ""),
    ]
    arrivals = [
        Arrival(Record("s1", "acme", "genagent", "twilio", 20 * place, event), "s1", "shard-0", 0)
        for place, event in enumerate(events)
    ]
    source = Source(*[arrivals[place] for place in (0, 3, 1, 2, 1, 5, 4)])
    monkeypatch.setattr("callstream.reading.kinesis_client", lambda: "client")
    made: list[object] = []

    def make(*arguments: object) -> Source:
        made.extend(arguments)
        return source

    monkeypatch.setattr("callstream.reading.FrameStreamReader", make)

    read = follow("my-frames")
    found = [next(read) for _ in range(len(events) + 1)]
    assert [event for _, event in found] == [*events, StreamOver("disconnected")]
    assert [each.received_at for each in found] == [0, 20, 40, 60, 80, 100, 100]
    assert made == ["client", "my-frames", "LATEST"]
