"""What carriers, tenants and consumers send cannot drive the terminal of an operator."""

import io
import json
import re
from datetime import timedelta
from typing import Any

import boto3
import pytest
from msgspec.structs import replace

from callstream.callbacks.pending import PendingCallbacks
from callstream.calls.call_requests import call_key
from callstream.calls.stream_requests import stream_key
from callstream.dialects.events import Connected, Error, Mark
from callstream.frames.reader import ReadEvent, Stream
from callstream.frames.records import Disconnected, Record, RecordEvent, Rejected, Transcript
from callstream.frames.stream_order import OrderedStream
from callstream.tenants.directory import Credential, Inbox
from callstream.tenants.keys import tenant_key
from callstream_cli.__main__ import COMMANDS, Group
from callstream_cli.consoles import SafeConsole
from callstream_cli.listener import report
from callstream_cli.local.emulator_logs import FunctionLog
from callstream_cli.reading import tail
from callstream_cli.reading.tail_output import Shown
from tests.unit.activity import NOW, Deployment
from tests.unit.callbacks.scenes import telnyx_callback
from tests.unit.cli.commands import run
from tests.unit.cli.listener.forks import received, start

HOSTILE = "\x1b]0;PWNED\x07\x1b[31mRED\x1b[2J\x9b5m\x7f\u202e\u2066\r\nFORGED"
CALL = f"CA{HOSTILE}"
SHOWING = {
    "streams list": ["--all"],
    "streams show": ["a"],
    "calls list": ["--all"],
    "calls show": [CALL],
    "transcript": [CALL],
    "transcript --format vtt": [CALL],
    "callbacks list": [],
    "tenants list": [],
    "tenants show": ["acme"],
    "credentials list": [],
    "inboxes list": ["acme"],
    "routes list": ["acme"],
    "agents list": ["acme"],
    "connections list": ["acme"],
    "limits show": ["acme"],
    "limits running": ["acme"],
    "webhooks show": ["acme"],
    "twilio show": ["acme"],
    "logs": [],
}
"""The commands that show the state of a deployment, and their arguments."""
SHOWING_NOTHING = {
    *("routes list", "agents list", "connections list", "limits show", "limits running"),
    *("webhooks show", "twilio show"),
}
"""Those of them that show nothing here that is hostile."""
OTHERS = {
    *("up", "down", "status", "url", "env", "containers", "expose", "demo", "bridge"),
    "preflight",
    # Below, or beside their own tests; `test_plain_output` holds for all commands.
    *("tail", "listen", "dialogflow", "call", "record", "replay", "verify"),
    # These show what the operator has just typed, or keys.
    *("callbacks resend", "callback-keys show", "callback-keys rotate", "keys list", "keys rotate"),
}
CHANGES = {"create", "update", "disable", "enable", "delete", "revoke", "add", "remove", "set"}


@pytest.fixture
def world(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Deployment:
    """A deployment in which every text that is not ours is hostile."""
    deployment.stream("a", CALL, session_id=HOSTILE)
    deployment.relay(CALL, "r1", name=HOSTILE)
    line = Transcript("r1", 1, "inbound", 0, 900, "en-US", HOSTILE, (), HOSTILE)
    deployment.line("a", CALL, line)
    for key, names in (
        (stream_key("a"), ("carrier_stream_id", "account_id", "dialect", "route", "encoding")),
        (call_key("acme", CALL), ("account_id",)),
        (call_key("acme", CALL) | {"sk": "RELAY#r1"}, ("error",)),
    ):
        deployment.change(key, **dict.fromkeys(names, HOSTILE))
    tenant = deployment.directory.tenant("acme")
    assert tenant is not None
    deployment.directory._table.put(
        tenant_key("acme") | tenant.model_dump(mode="json", exclude_none=True) | {"name": HOSTILE}
    )
    deployment.directory.save(Inbox(tenant_id="acme", external_id=HOSTILE, name=HOSTILE))
    deployment.directory.save(
        Credential(
            surface="telnyx",
            credential_id="k",
            tenant_id="acme",
            secret_hash="",
            created_at=NOW,
            label=HOSTILE,
        )
    )
    queue = boto3.client("sqs").create_queue(QueueName="callbacks")["QueueUrl"]
    deployment.outputs |= {"CallbackQueueUrl": queue, "TwilioSecretsPrefix": "twilio/"}
    waiting = replace(telnyx_callback(), relay=replace(telnyx_callback().relay, call_id=CALL))
    PendingCallbacks(deployment.table).note(waiting, 2, HOSTILE, NOW, timedelta(seconds=9))
    log = tmp_path / "logs" / "functions.jsonl"
    monkeypatch.setenv("CALLSTREAM_STATE_DIR", str(tmp_path))
    entry = {"level": "ERROR", "message": HOSTILE, "call_id": HOSTILE, "exception": HOSTILE}
    FunctionLog(log, most_bytes=10_000).write("F", json.dumps(entry))
    return deployment


def assert_harmless(text: str) -> None:
    """No line has a character that is not printable, or is forged."""
    for line in text.split("\n"):
        assert line.isprintable(), repr(line)
        assert not line.startswith("FORGED")


def test_every_command_is_tried_on_hostile_text() -> None:
    commands = {
        f"{name} {each}"
        for name, command in COMMANDS.items()
        if isinstance(command, Group)
        for each in command.commands
        if each not in CHANGES and each != "clear"
    } | {name for name, command in COMMANDS.items() if not isinstance(command, Group)}
    assert commands == {each.partition(" --")[0] for each in SHOWING} | OTHERS


def test_commands_show_hostile_text_escaped(world: Deployment) -> None:
    assert world.outputs
    for command, arguments in SHOWING.items():
        # The logs are those of a local stack.
        stack = {"CALLSTREAM_STACK": "" if command == "logs" else "callstream"}
        for terminal in ({}, {"TTY_COMPATIBLE": "1", "COLUMNS": "400"}, {"TTY_COMPATIBLE": "1"}):
            result = run(*command.split(), *arguments, **stack, **terminal)
            assert result.exit_code == 0, (command, result.output)
            # A terminal gets colours of our own.
            text = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
            assert_harmless(text)
            assert command in SHOWING_NOTHING or r"\x1b]0;PWNED\x07" in text or terminal, command
            assert_harmless(result.stderr)


def test_refusal_shows_hostile_text_escaped(world: Deployment) -> None:
    assert world.outputs
    for arguments in (("streams", "show", f"x{HOSTILE}"), ("tenants", "show", HOSTILE)):
        result = run(*arguments)
        assert result.exit_code != 0
        assert_harmless(result.output)


def test_tail_shows_hostile_text_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    order = OrderedStream()
    show = tail._lines(Shown(personal=True))
    events: list[RecordEvent] = [
        Connected(HOSTILE, HOSTILE),
        start(parameters={HOSTILE: HOSTILE}, from_number=HOSTILE),
        Mark(sequence=2, name=HOSTILE),
        Error(sequence=3, code=HOSTILE, title=HOSTILE, detail=HOSTILE),
        Rejected(HOSTILE, HOSTILE, 1, b""),
        Disconnected(1000, HOSTILE),
    ]
    stream = None
    for event in events:
        record = Record("s1", "acme", "genagent", "twilio", 5, event)
        stream = stream or Stream(record, order)
        show(ReadEvent(stream, event, 5))

    shown = capsys.readouterr().out
    assert shown.count("PWNED") > 5
    assert_harmless(shown)


def test_listener_shows_hostile_text_escaped() -> None:
    state = received(start(), Mark(sequence=2, name=HOSTILE))
    state.close(1000, HOSTILE, "gateway", 101.0)
    shown = io.StringIO()
    console = SafeConsole(file=shown, force_terminal=True, color_system=None, width=300)

    console.print(report.picture(HOSTILE, [state], 0))
    console.print_line(report.summary(state))
    assert r"\x1b]0;PWNED" in shown.getvalue()
    assert_harmless(shown.getvalue())
