import pytest

from tests.unit.cli.commands import run


@pytest.mark.parametrize("status", ["OK", "TIRED"])
def test_a_failure_has_a_status_of_grpc(status: str) -> None:
    result = run("dialogflow", "--port", "0", "--fail", status)
    assert result.exit_code == 2
    assert status in result.stderr
