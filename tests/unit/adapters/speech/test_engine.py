"""The offline engine: what is its own, and what every engine does."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from callstream.adapters.speech import engine as module
from callstream.adapters.speech import moonshine
from callstream.adapters.speech.engine import OfflineEngine, OfflineSession
from callstream.transcription.engine import Engine, EngineFailed, Session, SessionSettings
from tests.unit.transcription.engine_conformance import (
    EngineConformance,
    Line,
    Subject,
    run,
    sound,
)

SECOND = bytes(16_000)
needs_engine = pytest.mark.skipif(
    moonshine.find() is None or not moonshine.is_supported(),
    reason="the offline engine runs on Linux for x86_64 only",
)


def processes(session: Session) -> list[int]:
    assert isinstance(session, OfflineSession)
    return [each._process.pid for each in session._workers]


def kill(session: Session, with_signal: signal.Signals) -> None:
    """Send a signal to the workers."""
    for pid in processes(session):
        os.kill(pid, with_signal)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    while not is_so():  # noqa: ASYNC110 - nothing notifies of it
        await asyncio.sleep(0.01)


async def feed_on(session: Session) -> None:
    """Feed silence without end."""
    while True:
        await session.feed(SECOND)


def is_running(pid: int) -> bool:
    """Whether a process is there that is not only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Offline:
    wrong_words = 0.1
    tolerance_ms = 350  # of silence that the recordings begin and end with

    def __init__(self) -> None:
        self.engine: Engine = OfflineEngine()

    def expect(self, lines: list[Line]) -> None:
        pass

    async def crash(self, session: Session) -> None:
        kill(session, signal.SIGSEGV)


@needs_engine
class TestOffline(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Subject:
        return Offline()


@needs_engine
def test_session_leaves_no_process_behind() -> None:
    async def act() -> list[int]:
        session = await OfflineEngine().open(SessionSettings("en-US", channels=2))
        await session.feed(SECOND * 2)
        pids = processes(session)
        assert all(map(is_running, pids))
        await session.close()
        return pids

    assert not any(map(is_running, run(act())))


@needs_engine
def test_worker_ends_when_its_parent_is_killed() -> None:
    script = (
        "import asyncio, os, signal\n"
        "from callstream.adapters.speech.engine import OfflineEngine\n"
        "from callstream.transcription.engine import SessionSettings\n"
        "async def act():\n"
        "    session = await OfflineEngine().open(SessionSettings('en-US'))\n"
        "    print(session._workers[0]._process.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(act())\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )

    assert parent.returncode == -signal.SIGKILL
    run(until(lambda: not is_running(int(parent.stdout))))


@needs_engine
def test_feed_waits_while_the_worker_takes_nothing() -> None:
    async def act() -> None:
        session = await OfflineEngine().open(SessionSettings("en-US"))
        (pid,) = processes(session)
        kill(session, signal.SIGSTOP)
        fed_s = 0

        async def feed() -> None:
            nonlocal fed_s
            while fed_s < 1_000:
                await session.feed(SECOND)
                fed_s += 1

        feeding = asyncio.create_task(feed())
        await asyncio.wait([feeding], timeout=0.2)
        assert fed_s < 20
        feeding.cancel()
        await session.close()
        assert not is_running(pid)

    run(act())


@needs_engine
def test_session_fails_if_its_worker_takes_nothing_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)

    async def finish(session: Session) -> None:
        await session.finish()
        await session.receive()

    async def failure(use: Callable[[Session], Awaitable[None]]) -> str:
        session = await OfflineEngine().open(SessionSettings("en-US"))
        kill(session, signal.SIGSTOP)
        try:
            with pytest.raises(EngineFailed) as failed:
                await use(session)
            return failed.value.reason
        finally:
            await session.close()

    assert run(failure(feed_on)) == "takes no audio"
    assert run(failure(finish)) == "no answer in time"


@needs_engine
def test_settled_time_follows_silence() -> None:
    async def act() -> None:
        session = await OfflineEngine().open(SessionSettings("en-US"))
        for _ in range(3):
            await session.feed(SECOND)
        await until(lambda: session.settled_ms(0) > 0)
        await session.finish()
        assert await session.receive() is None
        assert session.settled_ms(0) == 3_000 - 1_100
        await session.close()

    run(act())


@needs_engine
def test_workers_get_no_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    async def act() -> bytes:
        session = await OfflineEngine().open(SessionSettings("en-US"))
        try:
            (pid,) = processes(session)
            await until(lambda: b"speech.worker" in read(pid, "cmdline"))  # it has been started
            return read(pid, "environ")
        finally:
            await session.close()

    def read(pid: int, name: str) -> bytes:
        return Path(f"/proc/{pid}/{name}").read_bytes()

    environment = run(act())
    assert b"PYTHONPATH" in environment
    assert b"AWS" not in environment


@needs_engine
def test_utterances_that_came_before_a_crash_are_received() -> None:
    line = Line(0, 300, 12)

    async def act() -> str:
        session = await OfflineEngine().open(SessionSettings("en-US"))
        try:
            await session.feed(sound([line], 1, line.end_ms) + SECOND * 2)
            await until(lambda: bool(session._utterances))
            assert session.settled_ms(0) == session._utterances[0].start_ms
            kill(session, signal.SIGKILL)
            with pytest.raises(EngineFailed, match="died"):
                await feed_on(session)
            utterance = await session.receive()
            assert utterance is not None
            with pytest.raises(EngineFailed, match="died"):
                await session.receive()
            return utterance.text
        finally:
            await session.close()

    assert "thanks for your help" in run(act())


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("find", "not installed"), ("is_supported", "not on this kind of machine")],
)
def test_engine_that_is_not_there_says_so(
    missing: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moonshine, "is_supported", lambda: True)
    monkeypatch.setattr(moonshine, missing, lambda: None)
    with pytest.raises(EngineFailed, match=reason) as failed:
        run(OfflineEngine().open(SessionSettings("en-US")))

    assert failed.value.is_permanent


@pytest.mark.skipif(not moonshine.is_supported(), reason="a library for x86_64")
def test_library_that_cannot_be_loaded_is_a_permanent_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "libmoonshine.so").write_bytes(b"not a library")
    monkeypatch.setattr(moonshine, "find", lambda: tmp_path)

    async def act() -> None:
        session = await OfflineEngine().open(SessionSettings("en-US"))
        try:
            await session.receive()
        finally:
            await session.close()

    with pytest.raises(EngineFailed, match="cannot be loaded") as failed:
        run(act())
    assert failed.value.is_permanent
