"""The sweep's function: what one kind of work does to the others."""

import importlib.util
from typing import Any

import pytest

from callstream.errors import Unavailable
from tests import template


class Down:
    """A sweep whose table does not answer."""

    def run(self, *_: object) -> dict[str, int]:
        raise Unavailable("dynamodb", "Down")


class Counts:
    """A sweep of counts that is due, and corrects one."""

    def __init__(self) -> None:
        self.rounds = 0

    def is_due(self, _now: object) -> bool:
        return True

    def run(self, *_: object) -> dict[str, int]:
        self.rounds += 1
        return {"correct": 1}


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    environment = template.load()["Resources"]["SweepFunction"]["Properties"]["Environment"]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in environment["Variables"]:
        monkeypatch.setenv(name, "https://x.example/" if name.endswith("URL") else "30")
    path = template.ROOT / "functions" / "sweep" / "app.py"
    spec = importlib.util.spec_from_file_location("sweep", path)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    return app


def test_sweep_corrects_counts_although_the_other_kinds_of_work_fail(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts()
    for name, sweep in (("_relay_sweep", Down()), ("_stream_sweep", Down())):
        monkeypatch.setattr(app, name, sweep)
    monkeypatch.setattr(app, "_usage_sweep", counts)

    with pytest.raises(Unavailable):
        app.handler({}, Context())
    assert counts.rounds == 1
