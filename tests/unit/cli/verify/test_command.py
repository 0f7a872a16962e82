"""The command: what it says before it starts, and its status."""

import json
from typing import Any

import pytest

from callstream_cli.verify import command
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.evidence import Evidence, Options
from callstream_cli.verify.findings import judged
from callstream_cli.verify.report import Report, report
from tests.unit.activity import Deployment
from tests.unit.cli.commands import run
from tests.unit.cli.test_hostile_text import HOSTILE, assert_harmless
from tests.unit.cli.verify.test_report import NOW


@pytest.fixture
def runs(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> list[Options]:  # noqa: ARG001
    """The runs that were begun, each with a check that fails if its options say `tracks`."""
    made: list[Options] = []

    def of(stack: str | None, outputs: Any) -> Deployed:
        return Deployed(stack, "eu-west-1", outputs, {}, {})

    def begin(_console: Any, deployed: Any, _: Any, options: Options, cost: float) -> Any:
        made.append(options)
        evidence = Evidence(deployed.is_local, {}, options, NOW)
        evidence.findings = [judged("check", ["broken"] * options.tracks, "good")]
        return report(evidence, stack="s", region="r", cost=cost, ended_at=NOW, left=[])

    monkeypatch.setattr(Deployed, "of", of)
    monkeypatch.setattr(command, "_verify", begin)
    return made


def test_command_names_its_price_and_asks(runs: list[Options]) -> None:
    result = run("verify", answer="n\n")

    assert result.exit_code == 1
    assert "Costs about $0.0" in result.stderr
    assert "eu-west-1" in result.stderr
    assert "Make calls on callstream?" in result.stderr
    assert runs == []
    assert run("verify", answer="y\n").exit_code == 0
    assert len(runs) == 1


def test_command_does_not_ask_with_yes(runs: list[Options]) -> None:
    result = run("verify", "--yes", "--provoke", "--stay", "12")

    assert result.exit_code == 0
    assert "an alarm will notify whoever reads its topic" in result.stderr
    assert runs == [Options(provoke=True, stay_minutes=12)]
    assert "✓ The stack works: 1 checks passed" in result.stdout


def test_failed_check_ends_with_status_1(runs: list[Options]) -> None:
    result = run("verify", "--yes", "--tracks", "1", "--json")

    assert result.exit_code == 1
    assert len(runs) == 1
    found = json.loads(result.stdout)
    assert (found["passed"], found["checks"][0]["text"]) == (False, "broken")


def test_report_shows_hostile_text_escaped(
    runs: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_: object) -> Report:
        evidence = Evidence(is_local=False, parameters={}, options=Options(), began_at=NOW)
        # As a log line or an answer of the gateway may have it.
        evidence.findings = [judged("logs", [HOSTILE], "")]
        return report(evidence, stack="s", region="r", cost=0, ended_at=NOW, left=[HOSTILE])

    monkeypatch.setattr(command, "_verify", begin)
    for options in ([], ["--json"]):
        shown = run("verify", "--yes", *options).stdout
        assert "PWNED" in shown
        assert_harmless(shown)
    assert runs == []


def test_interrupted_command_ends_with_status_130(
    runs: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_verify", interrupt)
    result = run("verify", "--yes")
    assert result.exit_code == 130
    assert result.stderr.endswith("Interrupted. The tenants of the run are deleted.\n")
    assert runs == []
