"""A carrier's call reaches the local stack through a tunnel: `callstream expose`, and examples/.

The tunnel itself is left out: requests go to the tunnel's end on this machine.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from callstream.access.twilio_signature import sign as sign_as_twilio
from callstream_cli.gateway import media_url
from callstream_cli.local import aws
from callstream_cli.local.expose import Front
from callstream_cli.local.process import HOST, free_port
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.signatures import set_twilio
from tests.stack.conftest import DeployedStack, Tape, eventually
from tests.template import ROOT

TUNNEL = "tunnel.example"
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
CALLSTREAM = Path(sys.executable).with_name("callstream")


@contextmanager
def running(*command: Any, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A program that runs until the end of the context."""
    with subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def exposed(stack: DeployedStack, *arguments: str) -> Iterator[int]:
    """The port of `callstream expose`."""
    command = [CALLSTREAM, "expose", TUNNEL, "--port", "0", *arguments]
    with running(*command, CALLSTREAM_STATE_DIR=str(stack.state_dir)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield int(line.partition(f"http://{HOST}:")[2].partition(".")[0])
    assert process.returncode == 143


@contextmanager
def with_webhook(stack: DeployedStack, example: str, **variables: str) -> Iterator[int]:
    """The port that a tunnel would lead to, in front of the stack and of one of the examples."""
    port = free_port()
    base = {"ASAPP_URL": stack.description["rest"]["asapp"], "PORT": str(port)}
    program = [sys.executable, ROOT / "examples" / example]
    with (
        running(*program, **base, **variables),
        exposed(stack, "--webhook", str(port)) as front,
    ):
        eventually(lambda: is_open(port))
        yield front


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def post(port: int, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, str]:
    connection = HTTPConnection(HOST, port)
    try:
        # Some tunnels do not leave the `Host` alone, as this request does not.
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def open_stream(port: int, url: str, **headers: str) -> ClientConnection:
    """Connect to a public URL, as a tunnel passes it on to a port."""
    assert url.startswith(f"wss://{TUNNEL}/")
    plain = url.replace("wss://", "ws://")
    tunnel = socket.create_connection((HOST, port))
    return connect(
        plain, sock=tunnel, additional_headers=headers or None, proxy=None, compression=None
    )


@pytest.fixture
def signing_tenant(stack: DeployedStack) -> Iterator[dict[str, str]]:
    """ASAPP credentials, as variables, of a tenant that requires Twilio's signature."""
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        administration = Administration(stack.outputs)
        tenant = administration.create_tenant(f"carrier-{uuid4()}", "Carrier")
        set_twilio(administration, tenant.tenant_id, "required", AUTH_TOKEN)
        shown = administration.create_credential(tenant, "asapp").shown
    yield {"ASAPP_API_ID": shown["id"], "ASAPP_API_SECRET": shown["secret"]}
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        administration.delete_tenant(tenant.tenant_id)


def test_call_at_twilio_is_streamed_through_a_tunnel(
    stack: DeployedStack, signing_tenant: dict[str, str], tape: Tape
) -> None:
    call_id = f"CA{uuid4().hex}"
    form = {"CallSid": call_id, "From": "+15550100", "Digits": ""}
    signed = f"https://{TUNNEL}/voice" + "".join(map("".join, sorted(form.items())))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": sign_as_twilio(signed, AUTH_TOKEN),
    }
    variables = {**signing_tenant, "TWILIO_AUTH_TOKEN": AUTH_TOKEN}
    with with_webhook(stack, "twilio_webhook.py", **variables) as port:
        status, document = post(port, "/voice", urlencode(form), headers)
        forged, _ = post(port, "/voice", urlencode(form | {"From": "+15550199"}), headers)
        unsigned, _ = post(port, "/voice", urlencode(form), {})

        assert (status, forged, unsigned) == (200, 403, 403)
        response = ET.fromstring(document)  # noqa: S314 - our own
        [stream] = response.findall("Connect/Stream")
        url = stream.attrib["url"]
        assert urlsplit(url).query == ""
        with pytest.raises(InvalidStatus):
            open_stream(port, url)
        with open_stream(
            port, url, **{"X-Twilio-Signature": sign_as_twilio(url, AUTH_TOKEN)}
        ) as media:
            media.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            start = {
                "streamSid": "MZ1",
                "accountSid": "AC1",
                "callSid": call_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            }
            media.send(
                json.dumps(
                    {"event": "start", "sequenceNumber": "1", "start": start, "streamSid": "MZ1"}
                )
            )
            eventually(lambda: tape.so_far(call_id))


def test_call_at_telnyx_is_answered_and_streamed(stack: DeployedStack) -> None:
    asked: list[tuple[str, str | None, Any]] = []

    class Telnyx(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Authorization"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Print nothing."""

    credentials = stack.credentials()
    event: dict[str, Any] = {
        "event_type": "call.initiated",
        "payload": {"call_control_id": "v3:one", "direction": "incoming"},
    }
    with ExitStack() as running_servers:
        telnyx = running_servers.enter_context(HTTPServer((HOST, 0), Telnyx))
        Thread(target=telnyx.serve_forever, daemon=True).start()
        running_servers.callback(telnyx.shutdown)
        port = running_servers.enter_context(
            with_webhook(
                stack,
                "telnyx_webhook.py",
                ASAPP_API_ID=credentials["asapp-api-id"],
                ASAPP_API_SECRET=credentials["asapp-api-secret"],
                TELNYX_API_KEY="KEY0",
                TELNYX_API_URL=f"http://{HOST}:{telnyx.server_port}/v2",
            )
        )
        json_body = {"Content-Type": "application/json"}
        others = [
            event | {"event_type": "call.answered"},
            event | {"payload": {"call_control_id": "v3:out", "direction": "outgoing"}},
        ]
        for each in [event, *others]:
            assert post(port, "/", json.dumps({"data": each}), json_body)[0] == 200

        [(path, authorization, command)] = asked
        assert path == "/v2/calls/v3:one/actions/answer"
        assert authorization == "Bearer KEY0"
        assert command.pop("stream_url").startswith(f"wss://{TUNNEL}/")
        assert command == {
            "stream_track": "both_tracks",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_target_legs": "self",
            "command_id": "answer",
        }


# Whatever a tunnel brings, nothing but the media WebSocket and the web hook is reached.


@pytest.fixture(scope="module")
def front(stack: DeployedStack) -> Iterator[int]:
    with exposed(stack) as port:
        yield port


def exchange(port: int, request: str) -> list[str]:
    """Send bytes; the status lines of all answers."""
    with socket.create_connection((HOST, port)) as tunnel:
        tunnel.sendall(request.replace("\n", "\r\n").encode())
        answer = b""
        while chunk := tunnel.recv(65_536):
            answer += chunk
    return [line for line in answer.decode().split("\r\n") if line.startswith("HTTP/")]


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET /_ministack/ready HTTP/1.1\nHost: x\n\n", 404),
        ("POST / HTTP/1.1\nHost: s3.amazonaws.com\nContent-Length: 0\n\n", 404),
        ("GET http://127.0.0.1/_ministack/ready HTTP/1.1\n\n", 400),
        ("nonsense\n\n", 400),
        (f"GET /{'x' * 20_000} HTTP/1.1\n\n", 400),
        ("POST /@connections/x HTTP/1.1\nUpgrade: websocket\n\n", 404),
    ],
)
def test_exposed_port_does_not_lead_to_the_emulator(
    front: int, request_head: str, status: int
) -> None:
    [answer] = exchange(front, request_head)
    assert answer.split()[1] == str(status)


def test_refused_handshake_ends_the_connection(front: int) -> None:
    handshake = (
        "GET /a.b.c HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: upgrade\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\n"
    )
    behind = "GET /_ministack/ready HTTP/1.1\nHost: x\n\n"
    [answer] = exchange(front, handshake + behind)
    assert answer.split()[1] in {"401", "403"}


@pytest.mark.parametrize("status", ["401 Unauthorized", "200 OK"])
def test_only_a_websocket_may_send_more_than_its_handshake(status: str) -> None:
    received, behind = bytearray(), bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        behind.extend(await reader.read(1))
        writer.close()

    async def act() -> list[str]:
        async with await asyncio.start_server(answer, HOST, 0) as emulator:
            port = emulator.sockets[0].getsockname()[1]
            async with await Front(f"ws://{HOST}:{port}/media", TUNNEL).start(0) as front:
                request = "GET /a.b.c HTTP/1.1\nUpgrade: websocket\n\nGET /behind HTTP/1.1\n\n"
                end = front.sockets[0].getsockname()[1]
                return await asyncio.to_thread(exchange, end, request)

    [line] = asyncio.run(act())
    assert line == f"HTTP/1.1 {status}"
    assert received.startswith(b"GET /media/a.b.c HTTP/1.1\r\n")
    assert not behind


def test_exposed_endpoints_give_urls_in_the_form_that_twilio_takes(stack: DeployedStack) -> None:
    api_key = str(stack.description["credentials"]["clerk"]["api_key"])
    headers = {"apiKey": api_key, "Content-Type": "application/json"}
    body = json.dumps({"inboxExternalId": stack.description["inbox"]}).encode()
    with exposed(stack) as port:
        clerk = stack.request("clerk", "POST", "/public/twilio-connector/connect", headers, body)
        of_asapp = media_url(stack.description, "genagent")
        token = of_asapp.rpartition("/")[2]

        for url in (clerk.body["data"]["connectUrl"], of_asapp, f"wss://{TUNNEL}/?token={token}"):
            with open_stream(port, url) as media:
                media.ping().wait()
        assert of_asapp == f"wss://{TUNNEL}/mg-twilio-genagent/twilio-media/{token}"

    assert media_url(stack.description, "genagent").startswith(f"ws://{HOST}:")
