"""What metrics count in the logs is what the library logs."""

import re
from pathlib import Path

import pytest

import callstream
from tests import template

FILTERS = {
    name: resource["Properties"]
    for name, resource in template.load()["Resources"].items()
    if resource["Type"] == "AWS::Logs::MetricFilter"
}
LOGGED = re.compile(r'_logger\.\w+\(\s*"([^"]*)"')


@pytest.mark.parametrize("name", FILTERS)
def test_filter_counts_lines_that_the_library_logs(name: str) -> None:
    library = Path(str(callstream.__file__)).parent
    messages = [line for path in library.rglob("*.py") for line in LOGGED.findall(path.read_text())]
    texts = re.findall(r'\?"([^"]+)"', FILTERS[name]["FilterPattern"])

    assert texts
    for text in texts:
        assert any(message.startswith(text) for message in messages), text


@pytest.mark.parametrize("name", FILTERS)
def test_alarm_watches_what_the_filter_counts(name: str) -> None:
    [counted] = FILTERS[name]["MetricTransformations"]
    alarm = template.load()["Resources"][name.replace("Filter", "Alarm")]["Properties"]

    assert (alarm["Namespace"], alarm["MetricName"]) == (
        counted["MetricNamespace"],
        counted["MetricName"],
    )
