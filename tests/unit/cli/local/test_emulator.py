"""The patches of ministack."""

import asyncio
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callstream_cli.local import (
    emulator,
)


class TestEmulatorPatch:
    def test_log_wait_is_removed_and_nothing_else(self) -> None:
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
    def test_changed_ministack_is_reported(self, worker: object) -> None:
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

    def test_batching_window_is_kept(self, keep: Callable[[EventSources], None]) -> None:
        service = EventSources(windowed=2)
        keep(service)
        assert self.poll(service, 6) == ["windowed"] * 3

    def test_mapping_without_a_window_does_not_wait(
        self, keep: Callable[[EventSources], None]
    ) -> None:
        service = EventSources(without=None, none=0)
        keep(service)
        assert self.poll(service, 2) == ["without", "none"] * 4

    def test_window_of_one_mapping_delays_no_other(
        self, keep: Callable[[EventSources], None]
    ) -> None:
        service = EventSources(windowed=2, other=None)
        keep(service)
        polled = self.poll(service, 4)
        assert (polled.count("windowed"), polled.count("other")) == (2, 8)

    def test_window_does_not_shorten_the_wait_after_a_failure(
        self, keep: Callable[[EventSources], None]
    ) -> None:
        service = EventSources(windowed=1)
        keep(service)
        service.fails = {"windowed"}
        assert self.poll(service, 4) == ["windowed"] * 4

    def test_poller_reports_whether_it_has_processed_records(
        self, keep: Callable[[EventSources], None]
    ) -> None:
        service = EventSources(windowed=2)
        keep(service)
        assert (service._poll_kinesis(), service._poll_kinesis()) == (True, False)

    def test_changed_ministack_is_reported(self) -> None:
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

    def test_records_are_searched_only_if_the_oldest_has_expired(self) -> None:
        service = Streams()
        emulator.expire_only_the_old(service)
        young, empty, old = self.records(23, 1), self.records(), self.records(25, 1)
        service._expire_records(self.stream(young, empty))
        assert (len(young), young.walks) == (2, 0)
        service._expire_records(self.stream(young, empty, old))
        assert (len(young), len(old)) == (2, 1)

    def test_changed_ministack_is_reported(self) -> None:
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

    def test_equal_archives_share_their_files(
        self, runtime: SimpleNamespace, tmp_path: Path
    ) -> None:
        content = {"python/a.py": "a", "python/b/c.py": "c", "empty/": ""}
        one, other = (self.unpack(runtime, content, tmp_path / name) for name in ("one", "other"))

        assert [path.read_text() for path in sorted(other.rglob("*.py"))] == ["a", "c"]
        assert (other / "empty").is_dir()
        assert (one / "python/b/c.py").samefile(other / "python/b/c.py")

    def test_different_archives_share_no_files(
        self, runtime: SimpleNamespace, tmp_path: Path
    ) -> None:
        self.unpack(runtime, {"a.py": "before"}, tmp_path / "one")
        other = self.unpack(runtime, {"a.py": "after!"}, tmp_path / "other")

        assert (other / "a.py").read_text() == "after!"

    def test_patched_module_has_the_rest_of_zipfile(self, runtime: SimpleNamespace) -> None:
        assert runtime.zipfile.BadZipFile is zipfile.BadZipFile

    def test_changed_ministack_is_reported(self) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator.unpack_once(SimpleNamespace())


class TestTokensInPaths:
    """The rule of CloudFront's function, as tests/unit/template/test_cloudfront.py has it."""

    TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.QfLIymILCc6cRv5jZorQfihkrjw5tfke2_vsu1hjC-Y"

    def handled(self, path: str, query: str = "", **headers: str) -> tuple[str, dict[str, str]]:
        """The query and headers that the emulator gets for a requested path and query."""
        scopes: list[dict[str, Any]] = []

        async def handle_websocket(scope: dict[str, Any], api_id: str) -> None:
            assert api_id == "ws"
            scopes.append(scope)

        service = SimpleNamespace(handle_websocket=handle_websocket)
        emulator.take_tokens_in_paths(service)
        given = {"host": "gateway.example", **headers}
        scope: dict[str, Any] = {
            "path": path,
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in given.items()
            ],
        }
        asyncio.run(service.handle_websocket(scope, api_id="ws"))
        [scope] = scopes
        assert scope["path"] == path
        return scope["query_string"].decode(), {
            name.decode(): value.decode() for name, value in scope["headers"]
        }

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_token_moves_from_the_end_of_the_path_into_the_query(self, slash: str) -> None:
        path = f"/media/mg-twilio-genagent/twilio-media/{self.TOKEN}{slash}"
        query, headers = self.handled(path)

        assert query == f"token={self.TOKEN}"
        assert headers["x-callstream-host"] == "gateway.example"
        assert headers["x-callstream-path"] == path

    def test_token_in_the_path_overrides_the_query(self) -> None:
        query, headers = self.handled(f"/media/{self.TOKEN}", "token=a.b.c&b=2")

        assert query == f"b=2&token={self.TOKEN}"
        assert headers["x-callstream-path"] == f"/media/{self.TOKEN}?token=a.b.c&b=2"

    def test_url_that_a_proxy_names_stays(self) -> None:
        public = {"x_callstream_host": "public.example", "x_callstream_path": "/a.b.c"}
        _, headers = self.handled(f"/media/{self.TOKEN}", **public)

        assert headers["x-callstream-host"] == "public.example"
        assert headers["x-callstream-path"] == "/a.b.c"

    @pytest.mark.parametrize(
        "end", ["", "/", "/not-a-token", "/two.parts", "/a.b.c.d", "/a..c", "/a.b.ü", "/a.b.c/more"]
    )
    def test_request_without_a_token_in_its_path_is_unchanged(self, end: str) -> None:
        query = "token=a.b.c&x=a%20b"

        assert self.handled(f"/media{end}", query) == (query, {"host": "gateway.example"})

    def test_changed_ministack_is_reported(self) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator.take_tokens_in_paths(SimpleNamespace())
