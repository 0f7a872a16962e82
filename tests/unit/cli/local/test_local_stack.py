"""The parts of the local stack that are decided without a process or a socket."""

import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from callstream_cli.__main__ import build
from callstream_cli.local import (
    aws,
    completion,
    containers,
    description,
    emulator,
    process,
    sources,
)
from callstream_cli.local.errors import CommandFailedError, PortTakenError, TemplateError
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
SOURCES = {
    "template.yaml": "Resources: {}",
    "samconfig.toml": "version = 0.1",
    "functions/media/app.py": "a = 1",
    "layers/callstream/callstream/__init__.py": "",
    "cli/callstream_cli/local/completion.py": "",
}
CREDENTIALS = {"asapp": {"id": "an-id", "secret": "a-secret"}}


def write_files(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


class TestFingerprint:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write_files(tmp_path, SOURCES)
        return tmp_path

    def test_is_stable(self, root: Path) -> None:
        assert sources.fingerprint(root) == sources.fingerprint(root)

    @pytest.mark.parametrize("name", SOURCES)
    def test_notices_a_changed_file(self, root: Path, name: str) -> None:
        before = sources.fingerprint(root)
        (root / name).write_text("changed")
        assert sources.fingerprint(root) != before

    def test_notices_a_new_and_a_renamed_file(self, root: Path) -> None:
        before = sources.fingerprint(root)
        write_files(root, {"functions/stop/app.py": "b = 2"})
        added = sources.fingerprint(root)
        (root / "functions/stop").rename(root / "functions/halt")
        assert len({before, added, sources.fingerprint(root)}) == 3

    @pytest.mark.parametrize(
        "name",
        [
            "functions/media/__pycache__/app.cpython-313.pyc",
            "README.md",
            "tests/unit/test_media.py",
        ],
    )
    def test_ignores_what_is_not_deployed(self, root: Path, name: str) -> None:
        before = sources.fingerprint(root)
        write_files(root, {name: "anything"})
        assert sources.fingerprint(root) == before

    def test_tells_a_name_from_a_content(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        write_files(one, {"functions/a": "b", "functions/c": ""})
        write_files(other, {"functions/a": "", "functions/c": "b"})
        assert sources.fingerprint(one) != sources.fingerprint(other)


class TestDescription:
    def test_has_the_shape_that_scripts_rely_on(self) -> None:
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
    def test_names_the_output_that_is_missing(self, output: str) -> None:
        outputs = {name: value for name, value in OUTPUTS.items() if name != output}
        with pytest.raises(TemplateError, match=output):
            description.describe(outputs, CREDENTIALS, endpoint=ENDPOINT, region="us-east-1")

    def test_is_written_whole_and_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "stack.json"
        written = description.describe(OUTPUTS, CREDENTIALS, endpoint=ENDPOINT, region="us-east-1")
        description.write(path, written)
        assert json.loads(path.read_text()) == description.read(path) == written
        assert path.stat().st_mode & 0o077 == 0
        assert list(tmp_path.iterdir()) == [path]

    def test_of_no_stack_is_nothing(self, tmp_path: Path) -> None:
        assert description.read(tmp_path / "stack.json") is None
        assert LocalStack(tmp_path).describe() is None

    def test_left_behind_by_a_dead_emulator_is_nothing(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        write_files(state, {"stack.json": "{}", "ministack.pid": "1"})
        assert LocalStack(tmp_path, state_dir=state).describe() is None


class TestEnvironment:
    def test_leaves_nothing_of_the_developers_aws(self) -> None:
        developer = {
            "AWS_PROFILE": "production",
            "AWS_SESSION_TOKEN": "real",
            "AWS_ENDPOINT_URL_S3": "https://elsewhere",
            "PATH": "/bin",
            "no_proxy": "internal",
        }
        environment = aws.environment(developer, ENDPOINT)
        assert "AWS_PROFILE" not in environment
        assert "AWS_SESSION_TOKEN" not in environment
        assert "AWS_ENDPOINT_URL_S3" not in environment
        assert environment["PATH"] == "/bin"
        assert environment["AWS_ENDPOINT_URL"] == ENDPOINT
        assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1,internal"

    def test_is_given_for_a_while_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with aws.talking_to(ENDPOINT):
            assert os.environ["AWS_ENDPOINT_URL"] == ENDPOINT
            assert "AWS_PROFILE" not in os.environ
        assert "AWS_ENDPOINT_URL" not in os.environ
        assert os.environ["AWS_PROFILE"] == "production"

    def test_of_the_emulator_keeps_it_on_this_machine(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", "/leak")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
        environment = process.environment(4567, tmp_path)
        assert environment["BIND_HOST"] == "127.0.0.1"
        assert environment["GATEWAY_PORT"] == "4567"
        assert "PYTHONPATH" not in environment
        assert "AWS_SECRET_ACCESS_KEY" not in environment


class TestErrors:
    def test_a_taken_port_is_named_with_the_way_out(self) -> None:
        message = str(PortTakenError(4566))
        assert "4566" in message
        assert "CALLSTREAM_PORT=4567" in message

    def test_a_failed_command_shows_the_end_of_its_log(self, tmp_path: Path) -> None:
        log = tmp_path / "sam-build.log"
        lines = [f"line {number}\n\n\rUploading ({number}.0%)\n" for number in range(100)]
        log.write_text("".join(lines))
        message = str(CommandFailedError("sam build", 1, log))
        assert "`sam build` ended with status 1" in message
        assert "line 99" in message
        assert "line 9\n" not in message
        assert "Uploading" not in message
        assert str(log) in message


class TestContainers:
    def test_a_docker_that_does_not_answer_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        docker = tmp_path / "docker"
        docker.write_text("#!/bin/sh\necho 'Cannot connect.' >&2\necho 'Is it up?' >&2\nexit 1\n")
        docker.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        stack = {"aws_endpoint_url": ENDPOINT}
        monkeypatch.setattr(LocalStack, "describe", lambda _: stack)
        monkeypatch.setattr(containers, "write_variables", lambda *_: None)
        result = CliRunner().invoke(build(["containers"]), ["containers"])

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "callstream: Docker does not answer: Cannot connect. Is it up?\n"


class TestGatewayResponses:
    def test_are_found_in_the_bodies_of_rest_apis(self) -> None:
        template = {
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue"},
                "Plain": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "plain"}},
                "AsappApi": {
                    "Type": "AWS::ApiGateway::RestApi",
                    "Properties": {
                        "Body": {
                            "x-amazon-apigateway-gateway-responses": {
                                "THROTTLED": {
                                    "statusCode": 429,
                                    "responseParameters": {"gatewayresponse.header.A": "'b'"},
                                    "responseTemplates": {"application/json": "{}"},
                                },
                                "DEFAULT_4XX": {},
                            }
                        }
                    },
                },
            }
        }
        assert list(completion.gateway_responses(template)) == [
            completion.GatewayResponse(
                api="AsappApi",
                type="THROTTLED",
                status="429",
                parameters={"gatewayresponse.header.A": "'b'"},
                templates={"application/json": "{}"},
            ),
            completion.GatewayResponse(
                api="AsappApi", type="DEFAULT_4XX", status=None, parameters={}, templates={}
            ),
        ]


class TestEmulatorPatch:
    def test_takes_the_wait_away_and_leaves_the_rest(self) -> None:
        class Worker:
            def _drain_stderr_bounded(
                self,
                first_line_wait: float = 0.05,
                idle_confirm: float = 0.005,
                hard_cap: float = 0.25,
            ) -> tuple[float, float, float]:
                return first_line_wait, idle_confirm, hard_cap

        emulator.remove_log_wait(Worker)
        assert Worker()._drain_stderr_bounded() == (0.0, 0.0, 0.25)

    @pytest.mark.parametrize(
        "worker", [SimpleNamespace(), SimpleNamespace(_drain_stderr_bounded=lambda wait=1: wait)]
    )
    def test_says_so_when_ministack_has_changed(self, worker: object) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator.remove_log_wait(worker)


class EventSources:
    """As much of ministack's Lambda service as there is about polling."""

    def __init__(self, **windows: int | None) -> None:
        self.mappings: list[tuple[str, str, dict[str, Any]]] = [
            ("000000000000", "us-east-1", {"UUID": name, "MaximumBatchingWindowInSeconds": window})
            for name, window in windows.items()
        ]
        self.polled: list[str] = []
        self.fails: set[str] = set()
        self.now = 1000.0
        self._esm_backoff_until: dict[str, float] = {}

    def _iter_all_esms(self) -> list[tuple[str, str, dict[str, Any]]]:
        return self.mappings

    def _poll_kinesis(self) -> bool:
        polled: list[str] = []
        for *_, mapping in self.mappings:
            name = mapping["UUID"]
            if self._esm_backoff_until.get(name, 0) > self.now:
                continue
            polled.append(name)
            if name in self.fails:
                self._esm_backoff_until[name] = self.now + 1
            else:
                self._esm_backoff_until.pop(name, None)
        self.polled += polled
        return bool(polled)


class TestBatchingWindows:
    def poll(self, service: EventSources, seconds: int) -> list[str]:
        """Poll every half second, as often as fits; who was called."""
        service.polled = []
        for _ in range(seconds * 2):
            service._poll_kinesis()
            service.now += 0.5
        return service.polled

    @pytest.fixture
    def keep(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[EventSources], None]:
        """Keeps a service's windows, by its own clock."""

        def keep(service: EventSources) -> None:
            monkeypatch.setattr("time.time", lambda: service.now)
            emulator.keep_batching_windows(service)

        return keep

    def test_are_kept(self, keep: Callable[[EventSources], None]) -> None:
        service = EventSources(windowed=2)
        keep(service)
        assert self.poll(service, 6) == ["windowed"] * 3

    def test_are_not_made_up(self, keep: Callable[[EventSources], None]) -> None:
        service = EventSources(without=None, none=0)
        keep(service)
        assert self.poll(service, 2) == ["without", "none"] * 4

    def test_of_one_delay_no_other(self, keep: Callable[[EventSources], None]) -> None:
        service = EventSources(windowed=2, other=None)
        keep(service)
        polled = self.poll(service, 4)
        assert (polled.count("windowed"), polled.count("other")) == (2, 8)

    def test_do_not_shorten_the_wait_after_a_failure(
        self, keep: Callable[[EventSources], None]
    ) -> None:
        service = EventSources(windowed=1)
        keep(service)
        service.fails = {"windowed"}
        assert self.poll(service, 4) == ["windowed"] * 4

    def test_say_whether_something_was_polled(self, keep: Callable[[EventSources], None]) -> None:
        service = EventSources(windowed=2)
        keep(service)
        assert (service._poll_kinesis(), service._poll_kinesis()) == (True, False)

    def test_say_so_when_ministack_has_changed(self) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator.keep_batching_windows(SimpleNamespace())


class Records(list[dict[str, float]]):
    """A shard's, which count how often somebody goes through all of them."""

    walks = 0

    def __iter__(self) -> Iterator[dict[str, float]]:
        self.walks += 1
        return super().__iter__()


class Streams:
    """As much of ministack's Kinesis service as there is about retention."""

    def _expire_records(self, stream: dict[str, Any]) -> None:
        cutoff = time.time() - stream["RetentionPeriodHours"] * 3600
        for shard in stream["shards"].values():
            shard["records"][:] = [
                record
                for record in shard["records"]
                if record["ApproximateArrivalTimestamp"] >= cutoff
            ]


class TestRetention:
    @staticmethod
    def stream(*shards: Records) -> dict[str, Any]:
        numbered = {str(number): {"records": records} for number, records in enumerate(shards)}
        return {"RetentionPeriodHours": 24, "shards": numbered}

    @staticmethod
    def records(*hours: float) -> Records:
        now = time.time()
        return Records({"ApproximateArrivalTimestamp": now - age * 3600} for age in hours)

    def test_records_are_gone_through_only_if_the_oldest_is_too_old(self) -> None:
        service = Streams()
        emulator.expire_only_the_old(service)
        young, empty, old = self.records(23, 1), self.records(), self.records(25, 1)
        service._expire_records(self.stream(young, empty))
        assert (len(young), young.walks) == (2, 0)
        service._expire_records(self.stream(young, empty, old))
        assert (len(young), len(old)) == (2, 1)

    def test_says_so_when_ministack_has_changed(self) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator.expire_only_the_old(SimpleNamespace())


class TestArchives:
    """The emulator unpacks each archive once: workers get links to its files."""

    @pytest.fixture
    def runtime(self) -> SimpleNamespace:
        runtime = SimpleNamespace(zipfile=zipfile)
        emulator.unpack_once(runtime)
        return runtime

    def unpack(self, runtime: SimpleNamespace, content: dict[str, str], folder: Path) -> Path:
        archive = folder.with_suffix(".zip")
        with zipfile.ZipFile(archive, "w") as new:
            for name, text in content.items():
                new.writestr(name, text)
        folder.mkdir()
        with runtime.zipfile.ZipFile(archive) as opened:
            opened.extractall(str(folder))
        return folder

    def test_of_the_same_content_share_their_files(
        self, runtime: SimpleNamespace, tmp_path: Path
    ) -> None:
        content = {"python/a.py": "a", "python/b/c.py": "c", "empty/": ""}
        one, other = (self.unpack(runtime, content, tmp_path / name) for name in ("one", "other"))

        assert [path.read_text() for path in sorted(other.rglob("*.py"))] == ["a", "c"]
        assert (other / "empty").is_dir()
        assert (one / "python/b/c.py").samefile(other / "python/b/c.py")

    def test_of_other_content_do_not(self, runtime: SimpleNamespace, tmp_path: Path) -> None:
        self.unpack(runtime, {"a.py": "before"}, tmp_path / "one")
        other = self.unpack(runtime, {"a.py": "after!"}, tmp_path / "other")

        assert (other / "a.py").read_text() == "after!"

    def test_come_with_all_else_that_unpacking_needs(self, runtime: SimpleNamespace) -> None:
        assert runtime.zipfile.BadZipFile is zipfile.BadZipFile

    def test_say_so_when_ministack_has_changed(self) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator.unpack_once(SimpleNamespace())
