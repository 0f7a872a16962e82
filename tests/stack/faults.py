"""Faults for the stack under test: a Kinesis that refuses, and functions that are killed."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tests.stack.conftest import DeployedStack, eventually

type Refusal = tuple[int, str]
"""The status and the error code of a refusal."""

THROTTLED: Refusal = (400, "ProvisionedThroughputExceededException")
FAILED: Refusal = (500, "InternalFailure")


class FaultyKinesis:
    """A proxy of the emulator's Kinesis that refuses some requests."""

    def __init__(self, behind: str) -> None:
        self.refuse: Callable[[str], Refusal | None] = lambda _operation: None
        self.refused: Counter[str] = Counter()
        faulty = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                refusal = faulty.refuse(operation)
                if refusal is None:
                    status, answer = _pass_on(behind, self.path, self.headers, body)
                else:
                    status, code = refusal
                    faulty.refused[code] += 1
                    answer = json.dumps({"__type": code}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _pass_on(behind: str, path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
    connection = HTTPConnection(urlsplit(behind).netloc, timeout=60)
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def faulty_kinesis(stack: DeployedStack, *functions: str) -> Iterator[FaultyKinesis]:
    """Give functions, by the beginning of their logical ids, a faulty Kinesis."""
    client = stack.client("lambda")
    faulty = FaultyKinesis(stack.description["aws_endpoint_url"])
    before = {name: _variables(client, name) for name in names_of(stack, *functions)}
    try:
        for name, variables in before.items():
            _set(client, name, variables | {"AWS_ENDPOINT_URL_KINESIS": faulty.url})
        yield faulty
    finally:
        for name, variables in before.items():
            _set(client, name, variables)
        faulty.stop()


def names_of(stack: DeployedStack, *logical_ids: str) -> list[str]:
    """The names of functions, by their logical ids."""
    client = stack.client("cloudformation")
    found = client.get_paginator("list_stack_resources").paginate(StackName="callstream-local")
    names = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in found
        for resource in page["StackResourceSummaries"]
    }
    return [names[logical_id] for logical_id in logical_ids]


def _variables(client: Any, name: str) -> dict[str, str]:
    variables: dict[str, str] = client.get_function_configuration(FunctionName=name)["Environment"][
        "Variables"
    ]
    return variables


def _set(client: Any, name: str, variables: Mapping[str, str]) -> None:
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def kill_workers(stack: DeployedStack, function: str) -> int:
    """Kill the processes that run a function, without warning; return how many there were."""
    found = _workers(stack.description["aws_endpoint_url"], function)
    for process_id in found:
        os.kill(process_id, signal.SIGKILL)
    # Only then does the emulator see that it needs another worker.
    eventually(lambda: all(map(_is_dead, found)))
    return len(found)


def _is_dead(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in {"Z", "X"}


def _workers(endpoint: str, function: str) -> list[int]:
    # Another emulator may run the same functions at the same time.
    marks = {
        f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(),
        f"AWS_ENDPOINT_URL={endpoint}".encode(),
    }
    return [
        int(each.parent.name) for each in Path("/proc").glob("[0-9]*/environ") if _has(each, marks)
    ]


def _has(environment: Path, marks: set[bytes]) -> bool:
    try:
        return marks <= set(environment.read_bytes().split(b"\0"))
    except OSError:  # it has ended
        return False
