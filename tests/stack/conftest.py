"""Stack tests run against the real template, which is deployed to an emulator of their own."""

import asyncio
import json
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from callstream.access.tokens import KeyRing
from callstream.adapters.aws.kinesis_reader import FrameStreamReader, Position
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Record
from callstream_cli.listener.server import Listener
from callstream_cli.local import aws
from callstream_cli.local.description import StackDescription
from callstream_cli.local.progress import Silence
from callstream_cli.local.stack import STACK_NAME, LocalStack
from tests.template import ROOT

# How long a condition may take to become true, in seconds.
PATIENCE = 60


# Clients find the stack by the environment, which all threads of a test share.
_making_clients = Lock()


@dataclass(frozen=True)
class Answer:
    """An HTTP answer with its parsed body."""

    status: int
    headers: Mapping[str, str]
    body: Any


class DeployedStack:
    """The stack under test."""

    def __init__(self, description: StackDescription, state_dir: Path) -> None:
        self.description = description
        self.state_dir = state_dir
        [stack] = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def client(self, service: str) -> Any:
        """A boto3 client for the stack's own AWS."""
        with _making_clients, aws.talking_to(self.description["aws_endpoint_url"]):
            return boto3.client(service)  # type: ignore[call-overload]

    def table(self, name: str) -> Any:
        """One of the stack's tables, as a boto3 resource."""
        with _making_clients, aws.talking_to(self.description["aws_endpoint_url"]):
            return boto3.resource("dynamodb").Table(self.description["tables"][name])

    def key_ring(self) -> KeyRing:
        """The stack's signing keys."""
        secret = self.client("secretsmanager").get_secret_value(
            SecretId=self.outputs["SigningKeysSecretArn"]
        )
        return KeyRing.from_secret(json.loads(secret["SecretString"]))

    def media_url(self, token: str) -> str:
        """The media URL with a token."""
        return self.description["media_url"].format(token=token)

    def request(
        self,
        surface: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Send a request to one of the HTTP APIs."""
        base = urlsplit(self.description["rest"][surface])
        connection = HTTPConnection(base.netloc, timeout=PATIENCE)
        try:
            connection.request(method, base.path + path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), json.loads(response.read()))
        finally:
            connection.close()

    def asapp(self, path: str, headers: Mapping[str, str], method: str = "GET") -> Answer:
        """Send a request to the ASAPP API."""
        return self.request("asapp", method, path, headers)

    def credentials(self) -> dict[str, str]:
        """The headers that authenticate the demo tenant."""
        pair = self.description["credentials"]["asapp"]
        return {"asapp-api-id": str(pair["id"]), "asapp-api-secret": str(pair["secret"])}

    def reader(self, position: Position) -> FrameStreamReader:
        """A reader of the frames stream."""
        return FrameStreamReader(
            self.client("kinesis"), self.description["frames_stream"], position, poll_seconds=0
        )


class Tape:
    """Collects the records of all streams from now on."""

    def __init__(self, stack: DeployedStack) -> None:
        self._reader = stack.reader("LATEST")
        self._streams: defaultdict[str, StreamRecording] = defaultdict(StreamRecording)

    def so_far(self, call_id: str) -> StreamRecording | None:
        """The records of a call's only stream that have landed so far."""
        for arrival in self._reader.poll():
            assert isinstance(arrival.record, Record)
            self._streams[arrival.record.stream_id].add(arrival.record)
        for recording in self._streams.values():
            if recording.start and recording.start.call_id == call_id:
                return recording
        return None

    def stream_of(self, call_id: str) -> StreamRecording:
        """The records of a call's only stream, read until its socket has closed."""

        def closed() -> StreamRecording | None:
            recording = self.so_far(call_id)
            return recording if recording and recording.disconnected else None

        return eventually(closed)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of few tests: those are long, and at the end one would run alone."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: counts[item.path])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state_dir = tmp_path_factory.mktemp("stack")
    local = LocalStack(ROOT, state_dir=state_dir, port=port)
    try:
        yield DeployedStack(local.up(Silence()), state_dir)
    finally:
        local.down()


def eventually[T](look: Callable[[], T | None]) -> T:
    """Call `look` until it returns something, and return that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {look} in {PATIENCE} s")


@pytest.fixture
def tape(stack: DeployedStack) -> Tape:
    return Tape(stack)


@pytest.fixture(scope="session")
def consumer_url() -> Iterator[str]:
    """The URL of a consumer that receives any number of forks, and sends nothing."""
    url: Future[str] = Future()
    enough: Future[None] = Future()

    async def listen() -> None:
        async with Listener(tls=True) as listener:
            url.set_result(listener.url)
            await asyncio.wrap_future(enough)

    thread = Thread(target=asyncio.run, args=[listen()])
    thread.start()
    yield url.result()
    enough.set_result(None)
    thread.join()
