"""What `callstream streams` and `callstream calls` share: errors, secrets, listing, `--watch`."""

import json
import re
from collections.abc import Callable
from io import StringIO

import pytest

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.call_requests import call_key
from callstream.calls.stream_requests import stream_key
from callstream.errors import Unavailable
from callstream_cli import live_display
from callstream_cli.consoles import SafeConsole
from callstream_cli.operator import watching
from tests.unit.activity import Deployment
from tests.unit.cli.commands import ok, refusal, run

SUMMARY = "streams 1 streaming; frames none; gaps 0, late 0, repeats 0, rejected 0"


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
def test_commands_print_no_numbers_and_no_secrets(
    deployment: Deployment, arguments: list[str], form: list[str]
) -> None:
    deployment.stream("a", "CA1")
    deployment.relay("CA1", "relay-1")

    shown = ok(*arguments, *form)
    assert "CA1" in shown
    assert not re.search(r"5550|secret", shown)


@every_command
def test_commands_refuse_a_stack_that_is_not_a_callstream(
    deployment: Deployment, arguments: list[str]
) -> None:
    del deployment.outputs["StreamsTableName"]

    assert refusal(*arguments).startswith("the stack has no output StreamsTableName: ")


@every_command
def test_commands_name_the_attribute_that_they_cannot_read(
    deployment: Deployment, arguments: list[str]
) -> None:
    deployment.stream("a", "CA1")
    for key in (stream_key("a"), call_key("acme", "CA1")):
        item = deployment.table.get(key)
        assert item is not None
        deployment.table.put(item | {"state": "of a newer version"})

    assert re.match(r"this version cannot read a \w+ that is stored: state: ", refusal(*arguments))


@pytest.mark.parametrize("group", ["streams", "calls"])
@pytest.mark.parametrize(
    "options", [[], ["--json"], ["--all", "--json"], ["--tenant", "show", "--json"]], ids=" ".join
)
def test_groups_list_by_default(deployment: Deployment, group: str, options: list[str]) -> None:
    deployment.stream("a", "CA1")
    deployment.stream("b", "CA2", tenant_id="show")

    assert ok(group, *options) == ok(group, "list", *options)


def test_groups_refuse_a_wrong_option() -> None:
    assert run("streams", "--nonsense").exit_code == 2
    assert run("streams", "nonsense").exit_code == 2
    assert "show" in ok("streams", "--help")


class TestWatch:
    @pytest.fixture
    def rounds(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[int], None]:
        """Makes so many rounds until Ctrl-C; in each a second passes, and a stream connects."""
        deployment.stream("a", "CA1")

        def prepare(count: int) -> None:
            passed = 0

            async def a_second(_seconds: float) -> None:
                nonlocal passed
                passed += 1
                if passed == count:
                    raise KeyboardInterrupt
                deployment.stream(f"new-{passed}", "CA1", minutes=passed)

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
    def test_watch_prints_a_json_document_a_line(
        self, rounds: Callable[[int], None], command: list[str], name: str
    ) -> None:
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
    def test_watch_prints_lines_elsewhere_than_on_a_terminal(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, command: list[str], line: str
    ) -> None:
        deployment.stream("a", "CA1")
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
    def test_watch_says_that_nothing_is_live(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, group: str, line: str
    ) -> None:
        del deployment
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

    def test_watch_redraws_a_terminal(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deployment.stream("a", "CA1")
        self.ends_after(monkeypatch, 3)
        screen = StringIO()
        terminal = SafeConsole(file=screen, force_terminal=True, width=200)
        monkeypatch.setattr(watching, "SafeConsole", lambda: terminal)
        result = run("streams", "list", "--watch")

        assert result.exit_code == 130
        assert "streaming" in screen.getvalue()
        assert "\x1b[?25h" in screen.getvalue()  # the cursor is back

    def test_watch_ends_when_the_table_cannot_be_read(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deployment.stream("a", "CA1")

        def down(*_: object) -> None:
            raise Unavailable("dynamodb", "InternalServerError")

        monkeypatch.setattr(DynamoTable, "get", down)
        assert refusal("streams", "show", "a", "--watch") == (
            "dynamodb does not answer (InternalServerError); try again"
        )
