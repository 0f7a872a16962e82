"""Errors of the local stack, in words."""

from pathlib import Path

from callstream_cli.local.errors import CommandFailedError, PortTakenError


class TestErrors:
    def test_taken_port_is_reported_with_a_remedy(self) -> None:
        message = str(PortTakenError(4566))
        assert "4566" in message
        assert "CALLSTREAM_PORT=4567" in message

    def test_failed_command_shows_the_end_of_its_log(self, tmp_path: Path) -> None:
        log = tmp_path / "sam-build.log"
        lines = [f"line {number}\n\n\rUploading ({number}.0%)\n" for number in range(100)]
        log.write_text("".join(lines))
        message = str(CommandFailedError("sam build", 1, log))
        assert "`sam build` ended with status 1" in message
        assert "line 99" in message
        assert "line 9\n" not in message
        assert "Uploading" not in message
        assert str(log) in message
