"""The bridge between a client with binary audio and a gateway; here the gateway is a stand-in."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from callstream_cli.bridge.server import HOST, Ports, bridge
from callstream_cli.bridge.urls import PATH
from tests.stack.conftest import PATIENCE

ANSWER = '{"message":"startResponse",  "odd": [1.0]}'


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Gateway:
    """A gateway that gives one URL, and keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer = (200, b"")
        self.messages: list[Any] = []
        self.closed_with: list[int | None] = []
        self.close_code = 1000

    async def stream(self, socket: ServerConnection) -> None:
        await socket.send(ANSWER)
        try:
            async for message in socket:
                self.messages.append(json.loads(message))
                if self.messages[-1]["message"] == "finishStream":
                    await socket.close(self.close_code, "done")
        finally:
            await socket.wait_closed()
            self.closed_with.append(socket.close_code)

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        return None if request.path.endswith("token=good") else socket.respond(403, "no\n")


@asynccontextmanager
async def bridged() -> AsyncIterator[tuple[Gateway, Ports]]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            gateway.requests.append((dict(self.headers), body))
            self.send_response(gateway.answer[0])
            self.end_headers()
            self.wfile.write(gateway.answer[1])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer((HOST, 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    async with serve(gateway.stream, HOST, 0, process_request=gateway.admit) as media:
        port = next(iter(media.sockets)).getsockname()[1]
        url = f"ws://{HOST}:{port}/media?token=good"
        gateway.answer = (200, json.dumps({"streamingUrl": url}).encode())
        base = f"http://{HOST}:{http.server_address[1]}/asapp/"
        async with bridge(base, Ports(0, 0)) as ports:
            yield gateway, ports
    http.shutdown()
    http.server_close()


async def post(port: int, path: str = PATH, body: bytes = b"{}") -> tuple[int, Any]:
    def request() -> tuple[int, Any]:
        connection = HTTPConnection(HOST, port, timeout=30)
        headers = {"asapp-api-id": "id", "asapp-api-secret": "secret", "x-other": "1"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    return await asyncio.to_thread(request)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@in_loop
async def test_bridge_passes_a_clients_stream_on() -> None:
    async with bridged() as (gateway, ports):
        status, body = await post(ports.http, body=b'{"externalId": "c-1"}')
        url = body["streamingUrl"]
        assert status == 200
        assert url == f"ws://{HOST}:{ports.media}/autotranscribe?token=good"
        headers, sent = gateway.requests[0]
        assert sent == b'{"externalId": "c-1"}'
        assert headers["asapp-api-secret"] == "secret"
        assert "x-other" not in headers

        async with connect(url) as client:
            assert await client.recv() == ANSWER
            await client.send('{"message": "startStream"}')
            await client.send(b"\0\1" * 160)
            # Nothing follows for a while: the audio is sent all the same.
            await until(lambda: len(gateway.messages) == 2)
            await client.send('{"message": "finishStream"}')
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1000, "done")
        assert [each["sequence"] for each in gateway.messages] == [1, 2, 3]


@pytest.mark.parametrize("code", [1008, 1011, 4000])
@in_loop
async def test_bridge_passes_close_codes_on_in_both_directions(code: int) -> None:
    async with bridged() as (gateway, ports):
        gateway.close_code = code
        _, body = await post(ports.http)
        async with connect(body["streamingUrl"]) as client:
            await client.send('{"message": "finishStream"}')
            await client.wait_closed()
            assert client.close_code == code
        async with connect(body["streamingUrl"]) as client:
            await client.close(code)
        await until(lambda: gateway.closed_with == [code, code])


@in_loop
async def test_bridge_refuses_as_the_gateway_does_and_says_what_it_cannot_do() -> None:
    async with bridged() as (gateway, ports):
        refusal = {"error": {"requestId": "r", "message": "Unauthorized", "code": "401-01"}}
        good, gateway.answer = gateway.answer, (401, json.dumps(refusal).encode())
        assert await post(ports.http) == (401, refusal)
        gateway.answer = (200, good[1].replace(b"token=good", b"token=old"))
        _, body = await post(ports.http)
        for url in (body["streamingUrl"], body["streamingUrl"] + "er"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 403
        gateway.answer = (200, b"[]")
        status, body = await post(ports.http)
        assert (status, body["error"]["code"]) == (503, "503-01")
        assert "gave no streamingUrl" in body["error"]["message"]
        status, body = await post(ports.http, "/other")
        assert (status, body["error"]["code"]) == (404, "404-01")
        status, _ = await post(ports.http, body=b"x" * 70_000)
        assert status == 413
    async with bridge("http://127.0.0.1:9", Ports(0, 0)) as ports:
        status, body = await post(ports.http)
        assert (status, body["error"]["code"]) == (503, "503-01")
