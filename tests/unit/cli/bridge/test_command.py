"""The command line of the bridge."""

import pytest

from tests.unit.cli.commands import run


@pytest.mark.parametrize("url", ["foo", "wss://media.example.com/asapp"])
def test_bridge_refuses_a_base_url_that_is_not_http(url: str) -> None:
    result = run("bridge", "--to", url, "--port", "0")
    assert result.exit_code == 2
    assert "an http or https URL" in result.stderr
