"""The documents name files, log lines, alarms and parameters that exist."""

import json
import re

import pytest

from callstream.dialects import DIALECTS
from callstream.dialects.events import Connected
from tests import template
from tests.template import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
CODE = "".join(
    path.read_text() for folder in ("layers", "functions") for path in (ROOT / folder).rglob("*.py")
)
SECURITY = (ROOT / "SECURITY.md").read_text()
CARRIERS = (ROOT / "docs" / "carriers.md").read_text()
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [path.read_text() for path in (ROOT / "examples").glob("*.py")]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
# Where the paths of CONTRIBUTING's table begin.
FOLDERS = [ROOT, ROOT / "layers/callstream/callstream", ROOT / "cli/callstream_cli"]
# Without a text that changes: `connection refused: …`.
LOG_LINES = [line.rstrip(":… ") for line in re.findall(r"log: `([^`]+)`", PAGE)]


@pytest.mark.parametrize("line", LOG_LINES)
def test_log_line_is_in_the_code(line: str) -> None:
    # A line may begin with a noun that is put in: "%s not swept".
    with_values = re.escape(line).replace("…", "%[ds]")
    assert re.search(f'"{with_values}', CODE) or f'"%s {line.partition(" ")[2]}' in CODE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Alarm|\w+Function)`", PAGE))))
def test_resource_is_in_the_template(name: str) -> None:
    assert name in template.load()["Resources"]


def test_every_parameter_is_explained() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    table = page.partition("| parameter |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)

    # The emulator's address is not to be chosen.
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(
        template.load()["Parameters"]
    ) - {"Emulator"}


@pytest.mark.parametrize("row", re.findall(r"^\| .*`tests/.*$", SECURITY, re.MULTILINE))
def test_attack_of_the_security_page_has_its_tests(row: str) -> None:
    for path, name in re.findall(r"`(tests/[\w./]+)(?:::(\w+))?`", row):
        assert f"def {name}" in (ROOT / path).read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./-]+/[\w./-]*)`", CONTRIBUTING))))
def test_path_of_contributing_exists(path: str) -> None:
    assert any((folder / path).exists() for folder in FOLDERS)


@pytest.mark.parametrize(
    "block", re.findall(r"^```python\n(.*?)^```", CARRIERS, re.MULTILINE | re.DOTALL)
)
def test_code_for_carriers_is_in_an_example(block: str) -> None:
    assert any(block in example for example in EXAMPLES)


@pytest.mark.parametrize("name", ["telnyx", "signalwire", "twilio"])
def test_messages_of_a_dialect_are_documented_as_they_are(name: str) -> None:
    dialect, page = DIALECTS[name], (ROOT / "docs" / "surfaces.md").read_text()
    part = re.split(f"(?i)### in {name}'s dialect", page)[1].partition("\n##")[0]
    blocks = re.findall(r"^```jsonl\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    received, sent = ([json.loads(line) for line in block.splitlines()] for block in blocks)

    start = next(each for each in received if each["event"] == "start")
    stream_id = start.get("stream_id") or start["start"]["streamSid"]
    for message in received:
        event = dialect.parse(json.dumps(message))
        if isinstance(event, Connected):
            event = dialect.greeting(message.get("connected", {}))
        assert json.loads(dialect.render(event, stream_id)) == message
    for message in sent:
        answer = dialect.parse_return(json.dumps(message))
        assert json.loads(dialect.render_return(answer, stream_id)) == message
        assert not answer.extra

    errors, keys = {"error"} if dialect.ERRORS else set(), {"signalwire": {"dtmf"}}.get(name, set())
    all_events = {"connected", "start", "media", "dtmf", "mark", "stop"}
    assert {each["event"] for each in received} == all_events | errors
    assert {each["event"] for each in sent} == {"media", "mark", "clear"} | keys
