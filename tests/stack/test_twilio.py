"""Twilio's SDK drives the deployed stack, knowing only another base URL."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from callstream_cli.listener.certificate import self_signed
from callstream_cli.local.process import free_port
from tests.stack.conftest import Answer, DeployedStack, eventually
from tests.stack.live import FRAME, LiveCall, play, relays
from tests.stack.tenant_server import TenantServer
from tests.stack.test_operator import Operator, operator

__all__ = ["operator"]

URL = "wss://consumer.example.com/audio"


@pytest.fixture(scope="module")
def account(stack: DeployedStack) -> dict[str, str]:
    """The demo tenant's AccountSid and AuthToken."""
    return {name: str(text) for name, text in stack.description["credentials"]["twilio"].items()}


@asynccontextmanager
async def client(stack: DeployedStack, *credentials: str) -> AsyncIterator[Client]:
    """Twilio's SDK. The base URL is all that it has to be told."""
    client = Client(*credentials)
    client.api.base_url = stack.description["rest"]["twilio"]
    yield client
    client.http_client.session.close()


class Callbacks(TenantServer):
    """Takes the callbacks that Twilio's own validator accepts."""

    def __init__(self, auth_token: str) -> None:
        self.got: list[dict[str, str]] = []
        self._validator = RequestValidator(auth_token)
        super().__init__(self._take)

    def _take(self, path: str, headers: Message, body: bytes) -> int:
        form = dict(parse_qsl(body.decode()))
        signature = headers["x-twilio-signature"]
        if not self._validator.validate(self.origin + path, form, signature):
            return 403
        self.got.append(form)
        return 204

    def events(self, stream: str) -> list[str]:
        """The events of a stream, in the order in which they came."""
        return [form["StreamEvent"] for form in self.got if form["StreamSid"] == stream]


@pytest.fixture
def callbacks(account: dict[str, str]) -> Iterator[Callbacks]:
    server = Callbacks(account["auth_token"])
    yield server
    server.stop()


class RawConsumer:
    """Checks Twilio's signature, as Twilio tells servers to, and keeps messages as they come.

    It answers as one may not on a one-way stream.
    """

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)
        self.texts: list[str | bytes] = []
        self.ended = asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["RawConsumer"]:
        context = self_signed("127.0.0.1").server_context()
        async with serve(self._serve, "127.0.0.1", 0, ssl=context, compression=None) as server:
            [socket] = server.sockets
            self.url = f"wss://127.0.0.1:{socket.getsockname()[1]}/audio"
            yield self

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        signature = connection.request.headers["x-twilio-signature"]
        assert self._validator.validate(self.url, {}, signature)
        try:
            async for text in connection:
                self.texts.append(text)
                await connection.send('{"event": "clear", "streamSid": ""}')
        except ConnectionClosed:
            pass
        self.ended.set()

    async def frames(self, count: int) -> None:
        """Wait for so many frames."""
        while len(self.texts) < 2 + count:  # noqa: ASYNC110  # the messages come one by one
            await asyncio.sleep(0.02)


def assert_is_twilios_dialect(
    texts: list[str | bytes], stream: str, account_sid: str, call: LiveCall
) -> None:
    """Check every byte against messages that are written out here."""

    def compact(message: dict[str, Any], number: int) -> str:
        numbered = message | {"sequenceNumber": str(number), "streamSid": stream}
        return json.dumps(numbered, separators=(",", ":"))

    connected, start, *frames, stop = texts
    assert connected == '{"event":"connected","protocol":"Call","version":"1.0.0"}'
    body = {
        "streamSid": stream,
        "accountSid": account_sid,
        "callSid": call.id,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"carrier": "kept", "FirstName": "Jane", "last": "one"},
    }
    assert start == compact({"event": "start", "start": body}, 1)
    audio = b""
    for number, text in enumerate(frames, 1):
        payload = json.loads(text)["media"]["payload"]
        frame = {
            "track": "inbound",
            "chunk": str(number),
            "timestamp": json.loads(text)["media"]["timestamp"],
            "payload": payload,
        }
        assert text == compact({"event": "media", "media": frame}, number + 1)
        audio += b64decode(payload)
    assert len(audio) == len(frames) * FRAME
    assert audio in call.audio
    stopped = {"accountSid": account_sid, "callSid": call.id}
    assert stop == compact({"event": "stop", "stop": stopped}, len(frames) + 2)


def test_sdk_streams_a_call_in_twilios_dialect_with_signed_callbacks(
    stack: DeployedStack, account: dict[str, str], callbacks: Callbacks
) -> None:
    async def act() -> None:
        call = LiveCall(stack, f"CA{uuid4().hex}", "signalwire", parameters={"carrier": "kept"})
        async with (
            RawConsumer(account["auth_token"]).listening() as consumer,
            client(stack, *account.values()) as sdk,
            call.going_on(),
        ):
            streams = sdk.calls(call.id).streams
            created = await asyncio.to_thread(
                streams.create,
                url=consumer.url,
                name="main",
                status_callback=f"{callbacks.origin}/streams?tenant=1",
                parameter1_name="FirstName",
                parameter1_value="Jane",
                parameter99_name="last",
                parameter99_value="one",
            )
            await call.press("5")
            await consumer.frames(25)
            stopped = await asyncio.to_thread(streams("main").update, status="stopped")
            await consumer.ended.wait()

            assert (created.status, stopped.status) == ("in-progress", "stopped")
            assert created.sid == stopped.sid
            assert created.account_sid == account["account_sid"]
            assert created.call_sid == call.id
            assert created.uri.endswith(f"/{created.sid}.json")
            assert_is_twilios_dialect(consumer.texts, created.sid, account["account_sid"], call)
            await asyncio.to_thread(
                eventually, lambda: callbacks.events(created.sid)[1:] == ["stream-stopped"]
            )
        assert callbacks.events(created.sid) == ["stream-started", "stream-stopped"]
        assert [form["StreamName"] for form in callbacks.got] == ["main", "main"]

    play(act)


def test_api_key_starts_a_stream_whose_failure_is_a_signed_callback(
    stack: DeployedStack, account: dict[str, str], callbacks: Callbacks, operator: Operator
) -> None:
    key = operator("credentials", "create", "demo", "twilio", "--api-key")["shown_once"]

    async def act() -> None:
        call = LiveCall(stack, f"CA{uuid4().hex}")
        credentials = (key["api_key"], key["api_secret"], key["account_sid"])
        async with client(stack, *credentials) as sdk, call.going_on():
            url = f"wss://127.0.0.1:{free_port()}/"
            created = await asyncio.to_thread(
                sdk.calls(call.id).streams.create,
                url=url,
                status_callback=f"{callbacks.origin}/streams",
            )

            def has_failed() -> bool:
                return callbacks.events(created.sid) == ["stream-error"]

            await asyncio.to_thread(eventually, has_failed)
            [form] = callbacks.got
            assert form["StreamError"] == "31902: Stream - WebSocket - Connection Refused"
            assert form["StreamName"] == created.sid
            assert form["AccountSid"] == account["account_sid"]
            assert relays(stack, call.id)[url]["state"] == "failed"

            def raised(**fields: str) -> tuple[int, int]:
                with pytest.raises(TwilioRestException) as caught:
                    sdk.calls(call.id).streams.create(**fields)
                assert caught.value.msg
                return caught.value.status, caught.value.code

            assert raised(url="ws://consumer.example.com/") == (400, 31922)
            assert raised(url=f"{URL}?token=a") == (400, 31923)
            assert raised(url=URL, track="all") == (400, 31941)
            assert raised(url=URL, status_callback="/streams") == (400, 21609)
            with pytest.raises(TwilioRestException) as caught:
                sdk.calls(call.id).streams("nobody").update(status="stopped")
            assert (caught.value.status, caught.value.code) == (404, 20404)

        async with client(stack, account["account_sid"], "0" * 32) as sdk:
            with pytest.raises(TwilioRestException) as caught:
                sdk.calls(call.id).streams.create(url=URL)
            assert (caught.value.status, caught.value.code) == (401, 20003)

    play(act)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_api_gateways_own_refusals_are_as_twilio_documents(
    stack: DeployedStack, account: dict[str, str], method: str
) -> None:
    path = f"/2010-04-01/Accounts/{account['account_sid']}/Calls/CA1/Streams.json"

    answer: Answer = stack.request("twilio", method, path, {})

    assert (answer.status, answer.body["code"]) == (404, 20404)
    assert answer.body["more_info"] == "https://www.twilio.com/docs/errors/20404"
