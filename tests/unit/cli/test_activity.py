"""`callstream streams` and `callstream calls`, against a mock of AWS."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.calls import call_key
from callstream.calls.counters import Landed, StreamCounters
from callstream.calls.streams import Started, StreamStore, stream_key
from callstream.dialects.events import Media, Start
from callstream.errors import Unavailable
from callstream.frames.records import Record, Rejected
from callstream.identity import StreamIdentity, StreamToken
from callstream.relays.model import CallCommand
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Directory, Tenant
from callstream.times import milliseconds
from callstream_cli import deployment, live_display
from callstream_cli.__main__ import build
from callstream_cli.operator import watching
from tests.relays import make_relay
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUMMARY = "streams 1 streaming; frames none; gaps 0, late 0, repeats 0, rejected 0"
NOON = "2026-11-21 12:00:00"
NUMBERS = ("+15550100", "+15550199")
COUNTERS = {
    "messages": 0,
    "frames": {},
    "audio_bytes": 0,
    "gaps": 0,
    "skipped": 0,
    "repeats": 0,
    "late": 0,
    "strays": 0,
    "restarts": 0,
    "rejected": {},
}


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(build(arguments), arguments, env=env)


def ok(*arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def ask(*arguments: str) -> Any:
    return json.loads(ok(*arguments, "--json"))


def refusal(*arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    return line.removeprefix("callstream: ")


def words(text: str) -> list[str]:
    """Lines with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


class Account:
    """A deployment in which calls are made."""

    def __init__(self) -> None:
        dynamodb = boto3.client("dynamodb")
        self.table = DynamoTable(create_table(dynamodb, "StreamsTable"))
        self.directory = Directory(DynamoTable(create_table(dynamodb, "DirectoryTable")))
        self.outputs = {
            "StreamsTableName": "StreamsTable",
            "DirectoryTableName": "DirectoryTable",
        }
        self.streams = StreamStore(self.table, timedelta(days=30))

    def tenant(self, tenant_id: str) -> None:
        self.directory.save(
            Tenant(
                tenant_id=tenant_id,
                name=tenant_id,
                project_id=uuid4(),
                callback_key_id=tenant_id,
                routes=frozenset(),
            )
        )

    def stream(self, name: str, call_id: str | None = None, **fields: Any) -> None:
        """A stream that connects and, with a call, starts, so many minutes later."""
        tenant_id, minutes = fields.get("tenant_id", "acme"), fields.get("minutes", 0)
        now = NOW + timedelta(minutes=minutes)
        identity = StreamIdentity(name, tenant_id, "genagent")
        attributes = {"from": NUMBERS[0]}
        token = StreamToken("t", tenant_id, "genagent", "many", now, attributes)
        self.streams.open(identity, token, f"c-{name}", now)
        if call_id is not None:
            start = Start(
                sequence=1,
                carrier_stream_id=f"MZ-{name}",
                call_id=call_id,
                account_id="AC1",
                tracks=("inbound",),
                format=PCMU_8K,
                session_id=fields.get("session_id"),
                from_number=NUMBERS[0],
                to_number=NUMBERS[1],
            )
            self.streams.start(name, Started("telnyx", start), now)

    def count(self, name: str) -> None:
        """Three frames, three numbers that are missing, a repeat, and nonsense."""
        at = milliseconds(NOW)
        events = [
            Start(1, "MZ", "CA", "AC", ("inbound",), PCMU_8K),
            Media(2, "inbound", 1, 0, bytes(160)),
            Media(2, "inbound", 1, 0, bytes(160)),
            Rejected("not_json", "", 1, b""),
            Media(6, "inbound", 5, 80, bytes(160)),
            # What waited long enough is counted with the next that comes.
            Media(7, "inbound", 6, 100, bytes(160)),
        ]
        landed = [
            Landed(Record(name, "acme", "genagent", "twilio", at + n, event), str(n), n * 3)  # type: ignore[arg-type]
            for n, event in enumerate(events, start=1)
        ]
        StreamCounters(self.table).count(name, landed)

    def relay(self, call_id: str, relay_id: str, **fields: Any) -> None:
        relay = make_relay(
            relay_id,
            call_id=call_id,
            url=f"wss://secret.example.com/{NUMBERS[0]}",
            handshake_headers={"Authorization": "Bearer secret-token"},
            parameters={"number": NUMBERS[1]},
            track="both_tracks",
            created_at=milliseconds(NOW),
            updated_at=milliseconds(NOW),
            **fields,
        )
        RelayStore(self.table).start(relay, CallCommand("acme", call_id, NOW))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("CALLSTREAM_STACK", "callstream")
    with mock_aws():
        account = Account()
        account.tenant("acme")
        account.tenant("other")
        monkeypatch.setattr(deployment, "_outputs", lambda _: account.outputs)
        yield account


class TestStreams:
    def test_list(self, account: Account) -> None:
        account.stream("b", "CA1", minutes=1)
        account.stream("a", "CA2", minutes=2)
        account.stream("c", "CA1", tenant_id="other")
        account.stream("d", minutes=3)
        account.stream("gone", "CA1", minutes=4)
        account.streams.disconnect("gone", NOW)

        def listed(*options: str) -> list[str]:
            return [stream["stream_id"] for stream in ask("streams", "list", *options)]

        assert listed() == ["c", "b", "a", "d"]
        assert listed("--all") == ["c", "b", "a", "d", "gone"]
        assert listed("--tenant", "acme") == ["b", "a", "d"]
        assert listed("--call", "CA1") == ["c", "b"]
        assert listed("--call", "CA1", "--tenant", "acme") == ["b"]
        assert listed("--all", "--call", "CA1", "--tenant", "acme") == ["b", "gone"]
        assert listed("--tenant", "nobody") == []

    def test_list_for_people(self, account: Account) -> None:
        account.stream("a", "CA1")
        account.count("a")
        account.stream("b", minutes=1)

        assert words(ok("streams", "list")) == [
            "stream tenant call state connected (UTC) last seen frames trouble",
            f"a acme CA1 streaming {NOON} 12:00:00 3 inbound 1 gaps, 1 repeats, 1 rejected",
            "b acme - connected 2026-11-21 12:01:00 - 0 -",
        ]

    def test_list_of_none(self, account: Account) -> None:
        assert account.outputs
        assert ask("streams", "list") == []
        assert ok("streams", "list") == "There are no such streams.\n"

    def test_show(self, account: Account) -> None:
        account.stream("a", "CA1", session_id="S1")
        account.streams.disconnect("a", NOW + timedelta(minutes=1))
        account.stream("b", "CA1", minutes=2)
        account.count("a")

        assert ask("streams", "show", "a") == {
            "stream_id": "a",
            "tenant_id": "acme",
            "route": "genagent",
            "state": "closed",
            "call_id": "CA1",
            "session_id": "S1",
            "carrier_stream_id": "MZ-a",
            "dialect": "telnyx",
            "tracks": ["inbound"],
            "encoding": "PCMU",
            "sample_rate": 8000,
            "channels": 1,
            "continues": None,
            "continued_by": "b",
            "connected_at": "2026-11-21T12:00:00Z",
            "started_at": "2026-11-21T12:00:00Z",
            "stopped_at": None,
            "closed_at": "2026-11-21T12:01:00Z",
            "kept_alive_at": None,
            "first_seen_at": "2026-11-21T12:00:00.001000Z",
            "last_seen_at": "2026-11-21T12:00:00.006000Z",
            "messages": 6,
            "frames": {"inbound": 3},
            "audio_bytes": 480,
            "gaps": 1,
            "skipped": 3,
            "repeats": 1,
            "late": 0,
            "strays": 0,
            "restarts": 0,
            "rejected": {"not_json": 1},
        }
        assert ask("streams", "show", "b")["continues"] == "a"

    def test_show_one_of_which_little_is_known(self, account: Account) -> None:
        account.stream("a")

        shown = ask("streams", "show", "a")
        assert shown["state"] == "connected"
        assert {name: shown[name] for name in COUNTERS} == COUNTERS
        assert shown["call_id"] is shown["last_seen_at"] is shown["encoding"] is None

    def test_show_for_people(self, account: Account) -> None:
        account.stream("a", "CA1")
        account.count("a")

        assert words(ok("streams", "show", "a")) == [
            "stream a",
            "tenant acme",
            "route genagent",
            "state streaming",
            "call CA1",
            "session -",
            "carrier's id MZ-a",
            "dialect telnyx",
            "tracks inbound",
            "audio PCMU, 8000 Hz, channels: 1",
            "continues -",
            "continued by -",
            "connected (UTC) 2026-11-21 12:00:00",
            "started (UTC) 2026-11-21 12:00:00",
            "stopped (UTC) -",
            "closed (UTC) -",
            "kept alive (UTC) -",
            "first seen (UTC) 2026-11-21 12:00:00",
            "last seen (UTC) 2026-11-21 12:00:00",
            "messages 6",
            "frames 3 inbound",
            "audio bytes 480",
            "gaps 1, 3 numbers skipped",
            "repeats 1",
            "late 0",
            "strays 0",
            "restarts 0",
            "rejected 1 not_json",
        ]

    def test_show_none(self, account: Account) -> None:
        assert account.outputs
        assert refusal("streams", "show", "nowhere") == "there is no stream 'nowhere'"

    def test_show_by_the_carriers_id(self, account: Account) -> None:
        account.stream("a", "CA1")
        account.stream("b", "CA2")
        account.streams.disconnect("b", NOW)

        # That of a live one and that of one that is over.
        assert ask("streams", "show", "MZ-a") == ask("streams", "show", "a")
        assert ask("streams", "show", "MZ-b") == ask("streams", "show", "b")
        assert refusal("streams", "show", "MZ-c") == "there is no stream 'MZ-c'"

    def test_show_one_that_the_carrier_has_twice(self, account: Account) -> None:
        for name in ("b", "a"):
            account.stream(name, "CA1")
            key = stream_key(name)
            item = account.table.get(key)
            assert item is not None
            account.table.put(item | {"carrier_stream_id": "MZ"})

        assert refusal("streams", "show", "MZ") == "several streams are 'MZ' to the carrier: a, b"


class TestCalls:
    def test_list(self, account: Account) -> None:
        account.stream("a", "leg-1", session_id="S1")
        account.stream("b", "CA2", minutes=1)
        account.stream("c", "leg-2", session_id="S1", minutes=2)
        account.stream("d", "CA2", minutes=3)
        account.stream("e", "CA2", tenant_id="other", minutes=4)
        account.stream("f", minutes=5)
        account.stream("g", "CA3", minutes=6)
        account.streams.disconnect("g", NOW + timedelta(minutes=7))

        def listed(*options: str) -> list[tuple[str, str]]:
            return [(each["tenant_id"], each["call_id"]) for each in ask("calls", "list", *options)]

        # The legs of a session together.
        acme = [("acme", "leg-1"), ("acme", "leg-2"), ("acme", "CA2")]
        assert listed() == [*acme, ("other", "CA2")]
        assert listed("--tenant", "acme") == acme
        assert listed("--all") == [*acme, ("other", "CA2"), ("acme", "CA3")]
        assert ask("calls", "list", "--all")[-1] == {
            "call_id": "CA3",
            "tenant_id": "acme",
            "session_id": None,
            "state": "ended",
            "started_at": "2026-11-21T12:06:00Z",
            "ended_at": "2026-11-21T12:07:00Z",
            "streams": ["g"],
            "open_streams": [],
        }

    def test_list_for_people(self, account: Account) -> None:
        account.stream("a", "leg-1", session_id="S1")
        account.stream("b", "leg-1", session_id="S1")
        account.streams.disconnect("b", NOW)

        assert words(ok("calls", "list")) == [
            "call session tenant state started (UTC) ended (UTC) streams open",
            "leg-1 S1 acme active 2026-11-21 12:00:00 - 2 1",
        ]
        assert ok("calls", "list", "--tenant", "nobody") == "There are no such calls.\n"

    def test_show(self, account: Account) -> None:
        account.stream("b", "leg-2", session_id="S1", minutes=1)
        account.stream("a", "leg-1", session_id="S1")
        account.stream("c", "another")
        account.relay("leg-2", "relay-1", name="recorder")

        shown = ask("calls", "show", "leg-2")
        assert {name: shown[name] for name in ("call_id", "session_id", "state")} == {
            "call_id": "leg-2",
            "session_id": "S1",
            "state": "active",
        }
        assert [leg["call_id"] for leg in shown["legs"]] == ["leg-1", "leg-2"]
        assert [stream["stream_id"] for stream in shown["streams"]] == ["a", "b"]
        assert shown["streams"][0] == ask("streams", "show", "a")
        assert shown["relays"] == [
            {
                "relay_id": "relay-1",
                "surface": "telnyx",
                "name": "recorder",
                "track": "both_tracks",
                "state": "requested",
                "error": None,
                "dropped": None,
                "created_at": "2026-11-21T12:00:00Z",
                "updated_at": "2026-11-21T12:00:00Z",
            }
        ]

    def test_show_one_without_a_session(self, account: Account) -> None:
        account.stream("a", "CA1")

        shown = ask("calls", "show", "CA1")
        assert [leg["call_id"] for leg in shown["legs"]] == ["CA1"]
        assert shown["relays"] == []

    def test_show_for_people(self, account: Account) -> None:
        account.stream("a", "leg-1", session_id="S1")
        account.stream("b", "leg-2", session_id="S1", minutes=1)
        account.relay("leg-1", "relay-1")

        assert words(ok("calls", "show", "leg-1")) == [
            "call leg-1",
            "tenant acme",
            "session S1",
            "state active",
            "started (UTC) 2026-11-21 12:00:00",
            "ended (UTC) -",
            "",
            "legs",
            "call session tenant state started (UTC) ended (UTC) streams open",
            "leg-1 S1 acme active 2026-11-21 12:00:00 - 1 1",
            "leg-2 S1 acme active 2026-11-21 12:01:00 - 1 1",
            "",
            "streams",
            "stream tenant call state connected (UTC) last seen frames trouble",
            "a acme leg-1 streaming 2026-11-21 12:00:00 - 0 -",
            "b acme leg-2 streaming 2026-11-21 12:01:00 - 0 -",
            "",
            "relays",
            "relay surface name track state asked for (UTC) changed dropped error",
            "relay-1 telnyx - both_tracks requested 2026-11-21 12:00:00 12:00:00 0 -",
        ]

    def test_show_whose(self, account: Account) -> None:
        account.stream("a", "CA1")
        account.stream("b", "CA1", tenant_id="other")
        account.stream("c", "CA2", tenant_id="deleted")

        assert refusal("calls", "show", "CA1") == (
            "several have a call 'CA1': give --tenant, one of acme, other"
        )
        assert ask("calls", "show", "CA1", "--tenant", "other")["tenant_id"] == "other"
        assert refusal("calls", "show", "CA2") == "there is no call 'CA2'"
        assert ask("calls", "show", "CA2", "--tenant", "deleted")["call_id"] == "CA2"
        assert refusal("calls", "show", "CA1", "--tenant", "deleted") == "there is no call 'CA1'"

    def test_show_one_whose_parts_have_expired(self, account: Account) -> None:
        account.stream("a", "leg-1", session_id="S1")
        account.stream("b", "leg-2", session_id="S1")
        account.table.delete(stream_key("a"))
        account.table.delete(call_key("acme", "leg-2"))

        shown = ask("calls", "show", "leg-1")
        assert ([leg["call_id"] for leg in shown["legs"]], shown["streams"]) == (["leg-1"], [])

    def test_show_a_session(self, account: Account) -> None:
        account.stream("b", "leg-1", session_id="S1", minutes=1)
        account.stream("a", "leg-2", session_id="S1")

        assert ask("calls", "show", "S1") == ask("calls", "show", "leg-2")


COMMANDS = [
    ["streams"],
    ["streams", "--all"],
    ["calls"],
    ["streams", "list"],
    ["streams", "list", "--all"],
    ["streams", "show", "a"],
    ["calls", "list"],
    ["calls", "list", "--all"],
    ["calls", "show", "CA1"],
]
every_command = pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)


@every_command
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nothing_tells_numbers_or_secrets(
    account: Account, arguments: list[str], form: list[str]
) -> None:
    account.stream("a", "CA1")
    account.relay("CA1", "relay-1")

    shown = ok(*arguments, *form)
    assert "CA1" in shown
    assert not re.search(r"5550|secret", shown)


@every_command
def test_what_is_not_a_callstream_is_named(account: Account, arguments: list[str]) -> None:
    del account.outputs["StreamsTableName"]

    assert refusal(*arguments).startswith("the stack has no output StreamsTableName: ")


@every_command
def test_what_cannot_be_read_is_named(account: Account, arguments: list[str]) -> None:
    account.stream("a", "CA1")
    for key in (stream_key("a"), call_key("acme", "CA1")):
        item = account.table.get(key)
        assert item is not None
        account.table.put(item | {"state": "of a newer version"})

    assert re.match(r"this version cannot read a \w+ that is stored: state: ", refusal(*arguments))


@pytest.mark.parametrize("group", ["streams", "calls"])
@pytest.mark.parametrize(
    "options", [[], ["--json"], ["--all", "--json"], ["--tenant", "show", "--json"]], ids=" ".join
)
def test_without_a_command_they_are_listed(
    account: Account, group: str, options: list[str]
) -> None:
    account.stream("a", "CA1")
    account.stream("b", "CA2", tenant_id="show")

    assert ok(group, *options) == ok(group, "list", *options)


def test_a_wrong_option_without_a_command_is_refused() -> None:
    assert run("streams", "--nonsense").exit_code == 2
    assert run("streams", "nonsense").exit_code == 2
    assert "show" in ok("streams", "--help")


class TestWatch:
    @pytest.fixture
    def rounds(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        """Makes so many rounds until Ctrl-C; in each a second passes, and a stream connects."""
        account.stream("a", "CA1")

        def prepare(count: int) -> None:
            passed = 0

            async def a_second(_seconds: float) -> None:
                nonlocal passed
                passed += 1
                if passed == count:
                    raise KeyboardInterrupt
                account.stream(f"new-{passed}", "CA1", minutes=passed)

            monkeypatch.setattr("asyncio.sleep", a_second)

        return prepare

    @pytest.mark.parametrize(
        ("command", "name"),
        [
            (["streams", "list"], "stream_id"),
            (["calls", "list"], "call_id"),
            (["streams"], "stream_id"),
            (["calls"], "call_id"),
        ],
    )
    def test_in_json(self, rounds: Callable[[int], None], command: list[str], name: str) -> None:
        rounds(3)
        result = run(*command, "--watch", "--json")

        assert (result.exit_code, result.stderr) == (130, "")
        first, *_, last = [json.loads(line) for line in result.stdout.splitlines()]
        if name == "stream_id":
            assert [stream[name] for stream in first] == ["a"]
            assert [stream[name] for stream in last] == ["a", "new-1", "new-2"]
        else:
            assert [len(call["streams"]) for call in (*first, *last)] == [1, 3]

    @pytest.mark.parametrize(
        ("command", "line"),
        [
            (
                ["streams", "list"],
                SUMMARY,
            ),
            (
                ["streams", "show", "a"],
                f"a {SUMMARY}",
            ),
            (["calls", "list"], "calls 1 active; open streams 1"),
            (
                ["calls", "show", "CA1"],
                f"CA1 active; {SUMMARY}; relays none",
            ),
        ],
    )
    def test_elsewhere_than_on_a_terminal(
        self, account: Account, monkeypatch: pytest.MonkeyPatch, command: list[str], line: str
    ) -> None:
        account.stream("a", "CA1")
        monkeypatch.setattr(live_display, "_SECONDS_PER_LINE", 0)
        reads = self.ends_after(monkeypatch, 4)
        result = run(*command, "--watch")

        assert (result.exit_code, result.stderr) == (130, "")
        lines = result.stdout.splitlines()
        assert lines
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d  " + re.escape(line), each) for each in lines)
        assert len(reads) == 4

    @pytest.mark.parametrize(
        ("group", "line"),
        [("streams", "streams none"), ("calls", "calls none; open streams 0")],
    )
    def test_while_nothing_is_live(
        self, account: Account, monkeypatch: pytest.MonkeyPatch, group: str, line: str
    ) -> None:
        del account
        monkeypatch.setattr(live_display, "_SECONDS_PER_LINE", 0)
        self.ends_after(monkeypatch, 3)

        lines = run(group, "--watch").stdout.splitlines()
        assert lines
        assert {each[len("12:00:00  ") :] for each in lines} == {line}

    @staticmethod
    def ends_after(monkeypatch: pytest.MonkeyPatch, times: int) -> list[None]:
        """Ctrl-C when it has been read so often, without waiting in between."""
        reads: list[None] = []
        monkeypatch.setattr(watching, "_REFRESH_SECONDS", 0)
        as_it_is = watching._watch

        async def watch(read: watching.Read, *, as_json: bool) -> None:
            def counted() -> watching.Scene:
                reads.append(None)
                if len(reads) == times:
                    raise KeyboardInterrupt
                return read()

            await as_it_is(counted, as_json=as_json)

        monkeypatch.setattr(watching, "_watch", watch)
        return reads

    def test_on_a_terminal_it_is_redrawn(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.stream("a", "CA1")
        self.ends_after(monkeypatch, 3)
        screen = StringIO()
        terminal = Console(file=screen, force_terminal=True, width=200)
        monkeypatch.setattr(watching, "Console", lambda: terminal)
        result = run("streams", "list", "--watch")

        assert result.exit_code == 130
        assert "streaming" in screen.getvalue()
        assert "\x1b[?25h" in screen.getvalue()  # the cursor is back

    def test_ends_when_it_cannot_be_read(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.stream("a", "CA1")

        def down(*_: object) -> None:
            raise Unavailable("dynamodb", "InternalServerError")

        monkeypatch.setattr(DynamoTable, "get", down)
        assert refusal("streams", "show", "a", "--watch") == (
            "dynamodb does not answer (InternalServerError); try again"
        )
