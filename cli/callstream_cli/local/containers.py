"""Lets containers reach the local stack: `sam local` runs the functions in containers.

The emulator listens on 127.0.0.1 only, which in a container is the container itself. Docker Desktop
forwards `host.docker.internal` to this machine; with Docker Engine on Linux that name is the
address of this machine on the containers' bridge, and this module listens there.
"""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Final
from urllib.parse import urlsplit

import boto3
import typer

from callstream_cli.local import aws
from callstream_cli.local.commands import ROOT, explained
from callstream_cli.local.description import StackDescription
from callstream_cli.local.errors import DockerError
from callstream_cli.local.process import HOST
from callstream_cli.local.stack import LocalStack
from callstream_cli.plain_output import print_error, print_line

HOSTNAME: Final = "host.docker.internal"
"""This machine's name in containers with `--add-host host.docker.internal:host-gateway`."""

_FILE: Final = ROOT / ".local" / "containers.json"
_CHUNK: Final = 65_536


def containers() -> None:
    """Let `sam local` reach the local stack, until Ctrl-C.

    Writes .local/containers.json, the functions' variables. In another terminal, after `sam build`:
    `sam local start-api --config-env local`.
    """
    stack = LocalStack(ROOT).describe()
    if stack is None:
        print_error("the local stack is not running. `make up` starts it.")
        raise typer.Exit(1)
    write_variables(stack, _FILE)
    with explained(), passage(stack):
        print_line("Containers reach the local stack. Ctrl-C ends it.")
        threading.Event().wait()


def write_variables(stack: StackDescription, path: Path, **others: str) -> None:
    """Write the functions' variables, and `others`, as `sam local --env-vars` reads them."""
    with aws.talking_to(stack["aws_endpoint_url"]):
        pages = boto3.client("lambda").get_paginator("list_functions").paginate()
        variables = {
            name: value
            for page in pages
            for function in page["Functions"]
            for name, value in function.get("Environment", {}).get("Variables", {}).items()
        }
    # A variable means the same in every function.
    endpoint = f"http://{HOSTNAME}:{_port(stack)}"
    parameters = variables | {"AWS_ENDPOINT_URL": endpoint} | others
    path.write_text(json.dumps({"Parameters": parameters}, indent=2) + "\n")


@contextmanager
def passage(stack: StackDescription) -> Iterator[None]:
    """Forward what containers send to the local stack's port, while the context lasts.

    Raises:
        DockerError: Docker does not answer.
    """
    try:
        server = _Passage((_bridge(), _port(stack)), _Connection)
    except OSError:
        # Docker runs in a virtual machine, as Docker Desktop does, and forwards by itself.
        yield
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _port(stack: StackDescription) -> int:
    return urlsplit(stack["aws_endpoint_url"]).port or 80


def _bridge() -> str:
    """This machine's address on the containers' default network."""
    question = "{{(index .IPAM.Config 0).Subnet}}"
    command = ["docker", "network", "inspect", "bridge", "--format", question]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise DockerError(answer.stderr)
    # Docker gives the machine itself the first address.
    return str(ip_network(answer.stdout.strip())[1])


class _Passage(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Connection(BaseRequestHandler):
    def handle(self) -> None:
        port = self.server.server_address[1]  # type: ignore[index]
        with socket.create_connection((HOST, port)) as stack:
            answers = threading.Thread(target=_pump, args=(stack, self.request), daemon=True)
            answers.start()
            _pump(self.request, stack)
            answers.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
