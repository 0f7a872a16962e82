"""The commands for signing keys."""

from datetime import UTC, datetime, timedelta

from callstream.access.tokens import KeyRing, SigningKey
from callstream_cli.operator.keys import states
from tests.unit.cli.commands import ask, ok


class TestKeys:
    def test_list_and_rotate(self) -> None:
        first = {"kid": "initial", "state": "signs", "signs_from": None}
        assert ask("keys", "list") == [first]
        assert [line.split() for line in ok("keys", "list").splitlines()] == [
            ["key", "state", "signs", "from"],
            ["initial", "signs", "the", "beginning"],
        ]

        rotated = ask("keys", "rotate")
        assert rotated[0] == first
        assert [key["state"] for key in rotated] == ["signs", "waits"]
        assert [key["kid"] for key in ask("keys", "list")] == [key["kid"] for key in rotated]
        assert rotated[1]["kid"] in ok("keys", "rotate")

    def test_state_of_keys_changes_with_time(self) -> None:
        now = datetime(2026, 11, 21, 12, tzinfo=UTC)
        ring = KeyRing([SigningKey("initial", "x" * 64, None)])
        ring = ring.rotated(now).rotated(now + timedelta(seconds=30))
        keys = [
            [key["state"] for key in states(ring, now + timedelta(seconds=seconds))]
            for seconds in (59, 60, 90)
        ]

        assert keys == [
            ["signs", "waits", "waits"],
            ["verifies", "signs", "waits"],
            ["verifies", "verifies", "signs"],
        ]
        assert [key["signs_from"] for key in states(ring, now)] == [
            None,
            "2026-11-21T12:01:00+00:00",
            "2026-11-21T12:01:30+00:00",
        ]
