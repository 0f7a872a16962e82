"""The limits' commands."""

import pytest

from callstream.tenants.directory import (
    Directory,
    Limits,
    Tenant,
)
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
