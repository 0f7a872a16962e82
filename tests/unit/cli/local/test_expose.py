"""What `callstream expose` refuses; tests/stack/test_carrier_webhooks.py has what it passes on."""

from pathlib import Path

import pytest

from tests.unit.cli.commands import run


@pytest.mark.parametrize(
    "host", ["https://tunnel.example", "tunnel.example/path", "localhost", "tunnel.example/{path}"]
)
def test_expose_takes_a_public_host_alone(host: str) -> None:
    result = run("expose", host)

    assert result.exit_code == 2
    assert "without https://" in result.stderr


def test_expose_needs_the_stack(tmp_path: Path) -> None:
    result = run("expose", "tunnel.example", CALLSTREAM_STATE_DIR=str(tmp_path))

    assert result.exit_code == 1
    assert "`callstream up` starts it" in result.stderr
