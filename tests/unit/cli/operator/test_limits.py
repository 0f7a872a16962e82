"""The limits' commands."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.tenants.directory import (
    Directory,
    Limits,
    Tenant,
)
from callstream.tenants.running_limits import Kind, RunningLimits, build_taken, usage_key
from tests.unit.cli.commands import ask, ok, refusal
from tests.unit.cli.operator.deployed import DEFAULT_LIMITS


@pytest.mark.usefixtures("acme")
class TestLimits:
    def test_set_and_show(self, directory: Directory) -> None:
        assert ask("limits", "show", "acme") == DEFAULT_LIMITS
        changed = DEFAULT_LIMITS | {"asapp": {"per_second": None, "per_day": 5}}

        assert ask("limits", "set", "acme", "asapp", "--per-second", "none", "--per-day", "5") == (
            changed
        )
        assert ask("limits", "set", "acme", "clerk", "--per-second", "3") == changed | {
            "clerk": {"per_second": 3, "per_day": None}
        }
        # What is not given stays.
        assert ask("limits", "set", "acme", "asapp", "--per-second", "9")["asapp"] == {
            "per_second": 9,
            "per_day": 5,
        }
        assert [line.split() for line in ok("limits", "show", "acme").splitlines()] == [
            ["surface", "a", "second", "a", "day"],
            ["asapp", "9", "5"],
            ["clerk", "3", "none"],
            ["telnyx", "100", "none"],
            ["signalwire", "100", "none"],
            ["twilio", "100", "none"],
        ]
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.limits == {
            "asapp": Limits(per_second=9, per_day=5),
            "clerk": Limits(per_second=3),
        }

    @pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "1_0", "²", "1" * 10])
    def test_bad_value_is_refused(self, acme: Tenant, directory: Directory, text: str) -> None:
        assert refusal("limits", "set", "acme", "asapp", f"--per-day={text}", status=2) == (
            f"{text!r} is not a limit: give none, or a whole number from 1 to 999999999"
        )
        assert directory.tenant("acme") == acme

    def test_set_needs_a_limit(self) -> None:
        assert refusal("limits", "set", "acme", "asapp", status=2) == (
            "give --per-second, --per-day or both"
        )


@pytest.mark.usefixtures("acme")
class TestRunningLimits:
    DEFAULTS: ClassVar = {
        "open_streams": {"limit": 200, "now": 0},
        "active_relays": {"limit": 200, "now": 0},
        "active_relays_of_call": {"limit": 25, "now": None},
        "relays_of_call": {"limit": 500, "now": None},
        "command_bytes": {"limit": 65536, "now": None},
        "callbacks_in_flight": {"limit": 10, "now": None},
    }

    def test_running_shows_the_limits_and_how_much_runs(self, deployed: Mapping[str, str]) -> None:
        taken = build_taken(
            "acme", Kind.STREAMS, 3, None, now=datetime.now(UTC), expires_at=2_000_000_000
        )
        table = DynamoTable(deployed["StreamsTableName"])
        table.transact([taken])

        assert ask("limits", "running", "acme") == self.DEFAULTS | {
            "open_streams": {"limit": 200, "now": 3}
        }
        table.delete(usage_key("acme", Kind.STREAMS))

    def test_running_sets_the_limits_that_are_given(self, directory: Directory) -> None:
        changed = self.DEFAULTS | {
            "open_streams": {"limit": 7, "now": 0},
            "relays_of_call": {"limit": None, "now": None},
        }
        options = ("--open-streams", "7", "--relays-of-call", "none")
        assert ask("limits", "running", "acme", *options) == changed
        # An omitted limit stays.
        assert ask("limits", "running", "acme", "--open-streams", "8") == changed | {
            "open_streams": {"limit": 8, "now": 0}
        }
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.running == RunningLimits(open_streams=8, relays_of_call=None)
        assert [line.split() for line in ok("limits", "running", "acme").splitlines()] == [
            ["what", "limit", "now"],
            ["open", "streams", "8", "0"],
            ["active", "relays", "200", "0"],
            ["active", "relays", "of", "call", "25"],
            ["relays", "of", "call", "none"],
            ["command", "bytes", "65536"],
            ["callbacks", "in", "flight", "10"],
        ]
        assert "open streams 8" in ok("tenants", "show", "acme")

    @pytest.mark.parametrize("text", ["0", "-1", "many"])
    def test_bad_limit_is_refused(self, text: str) -> None:
        assert "is not a limit" in refusal(
            "limits", "running", "acme", f"--active-relays={text}", status=2
        )

    def test_unknown_tenant_has_no_limits(self) -> None:
        assert "no tenant" in refusal("limits", "running", "nobody")
