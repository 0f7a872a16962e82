"""The documents name files, log lines, alarms and parameters that exist."""

import re

import pytest

from tests import template
from tests.template import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
CODE = "".join(
    path.read_text() for folder in ("layers", "functions") for path in (ROOT / folder).rglob("*.py")
)
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
    assert f'"{line}' in CODE or f'"%s {line.partition(" ")[2]}' in CODE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Alarm|\w+Function)`", PAGE))))
def test_resource_is_in_the_template(name: str) -> None:
    assert name in template.load()["Resources"]


def test_every_parameter_is_explained() -> None:
    table = PAGE.partition("| parameter |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(
        template.load()["Parameters"]
    )


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./-]+/[\w./-]*)`", CONTRIBUTING))))
def test_path_of_contributing_exists(path: str) -> None:
    assert any((folder / path).exists() for folder in FOLDERS)


@pytest.mark.parametrize(
    "block", re.findall(r"^```python\n(.*?)^```", CARRIERS, re.MULTILINE | re.DOTALL)
)
def test_code_for_carriers_is_in_an_example(block: str) -> None:
    assert any(block in example for example in EXAMPLES)
