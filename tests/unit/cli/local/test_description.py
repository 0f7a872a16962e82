"""`stack.json`."""

import json
from pathlib import Path

import pytest

from callstream_cli.local import (
    description,
)
from callstream_cli.local.errors import TemplateError
from callstream_cli.local.stack import LocalStack

ENDPOINT = "http://127.0.0.1:4566"


OUTPUTS = {
    "AsappApiUrl": f"{ENDPOINT}/_aws/execute-api/rest/asapp",
    "MediaUrlTemplate": "ws://127.0.0.1:4566/_aws/execute-api/ws/media?token={token}",
    "FramesStreamName": "frames",
    "DirectoryTableName": "directory-table",
    "StreamsTableName": "streams-table",
    "SigningKeysSecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:keys",
}


CREDENTIALS = {"asapp": {"id": "an-id", "secret": "a-secret"}}


class TestDescription:
    def test_description_has_the_documented_shape(self) -> None:
        assert description.describe(
            OUTPUTS, CREDENTIALS, endpoint=ENDPOINT, region="us-east-1"
        ) == {
            "rest": {"asapp": "http://127.0.0.1:4566/_aws/execute-api/rest/asapp"},
            "media_url": "ws://127.0.0.1:4566/_aws/execute-api/ws/media?token={token}",
            "aws_endpoint_url": "http://127.0.0.1:4566",
            "region": "us-east-1",
            "frames_stream": "frames",
            "tables": {"directory": "directory-table", "streams": "streams-table"},
            "credentials": {"asapp": {"id": "an-id", "secret": "a-secret"}},
            "inbox": "inbox-123",
        }

    @pytest.mark.parametrize("output", ["MediaUrlTemplate", "FramesStreamName"])
    def test_missing_output_is_reported(self, output: str) -> None:
        outputs = {name: value for name, value in OUTPUTS.items() if name != output}
        with pytest.raises(TemplateError, match=output):
            description.describe(outputs, CREDENTIALS, endpoint=ENDPOINT, region="us-east-1")

    def test_description_is_written_whole_and_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "stack.json"
        written = description.describe(OUTPUTS, CREDENTIALS, endpoint=ENDPOINT, region="us-east-1")
        description.write(path, written)
        assert json.loads(path.read_text()) == description.read(path) == written
        assert path.stat().st_mode & 0o077 == 0
        assert list(tmp_path.iterdir()) == [path]

    def test_missing_stack_has_no_description(self, tmp_path: Path) -> None:
        assert description.read(tmp_path / "stack.json") is None
        assert LocalStack(tmp_path).describe() is None

    def test_description_of_a_dead_emulator_is_ignored(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        state.mkdir()
        (state / "stack.json").write_text("{}")
        (state / "ministack.pid").write_text("1")
        assert LocalStack(tmp_path, state_dir=state).describe() is None
