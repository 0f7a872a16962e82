"""The simulated carrier on a socket: answers of the server, and failures.

These tests need a loopback socket, but no stack.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from websockets.asyncio.server import Server, ServerConnection, serve

from callstream.dialects import DIALECTS
from callstream.dialects.events import Start
from callstream_cli import audio
from callstream_cli.__main__ import build
from callstream_cli.audio import Tracks
from callstream_cli.carrier.command import as_dict
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Carrier
from callstream_cli.carrier.session import CallReport, place_call

SAID: Tracks = {"inbound": bytes(range(160)) * 20}
PLAN = CallPlan(SAID)

type Handler = Callable[[ServerConnection], Awaitable[None]]


def call(handler: Handler, plan: CallPlan = PLAN, speed: float = 0, **options: Any) -> CallReport:
    async def run() -> CallReport:
        async with serve(handler, "127.0.0.1", 0, **options) as server:
            return await place_call(f"ws://{_address(server)}/x?token=secret", plan, speed=speed)

    return asyncio.run(run())


def _address(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()
    return f"{host}:{port}"


async def _listen(socket: ServerConnection) -> None:
    async for _ in socket:
        pass


def test_carrier_sends_everything_and_hangs_up() -> None:
    heard: list[str] = []

    async def listen(socket: ServerConnection) -> None:
        heard.extend([str(text) async for text in socket])

    report = call(listen)

    events = [json.loads(text)["event"] for text in heard]
    assert events == ["connected", "start", *["media"] * 20, "stop"]
    assert report.error is None
    assert report.close_code == 1000
    assert report.messages == 23
    assert report.audio("inbound") == PLAN.tracks["inbound"]
    assert set(report.sent_at) == set(range(2, 22))


def test_marks_come_back_during_the_call_and_clear_returns_them() -> None:
    marks: list[dict[str, Any]] = []

    async def talk(socket: ServerConnection) -> None:
        await socket.recv()
        stream = json.loads(await socket.recv())["streamSid"]
        minute = b64encode(bytes(8000 * 60)).decode()
        for message in (
            {"event": "mark", "mark": {"name": "at once"}},
            {"event": "media", "media": {"payload": minute}},
            {"event": "mark", "mark": {"name": "cleared"}},
            {"event": "clear"},
            {"event": "nonsense"},
        ):
            await socket.send(json.dumps({"streamSid": stream, **message}))
        async for text in socket:
            message = json.loads(text)
            if message["event"] == "mark":
                marks.append(message)

    report = call(talk, CallPlan({"inbound": bytes(160 * 25)}), speed=1)

    assert [mark["mark"]["name"] for mark in marks] == ["at once", "cleared"]
    assert all(mark["streamSid"] == report.identity.stream_id for mark in marks)
    assert report.messages == 30
    assert len(report.playback.received) == 8000 * 60
    assert (report.playback.marks, report.playback.clears, report.unreadable) == (2, 1, 1)
    assert report.error is None


def test_only_signalwire_presses_keys() -> None:
    async def press(socket: ServerConnection) -> None:
        for digit in "5#":
            await socket.send(json.dumps({"event": "dtmf", "dtmf": {"digit": digit}}))
        await _listen(socket)

    plan = CallPlan({"inbound": bytes(160 * 25)}, carrier="signalwire")
    assert as_dict(call(press, plan, speed=1))["received"]["digits"] == "5#"
    other = call(press, replace(plan, carrier="telnyx"), speed=1)
    assert (other.playback.digits, other.unreadable) == ("", 2)


@pytest.mark.parametrize("carrier", DIALECTS)
def test_report_has_the_carriers_names_of_ids(carrier: CarrierName) -> None:
    report = call(_listen, replace(PLAN, carrier=carrier))

    assert as_dict(report)["carrier"] == carrier
    assert as_dict(report).items() >= report.identity.named().items()


@pytest.mark.parametrize("status", [401, 403])
def test_refused_call_is_explained_by_the_token(status: int) -> None:
    report = call(_listen, process_request=lambda socket, _: socket.respond(HTTPStatus(status), ""))

    assert report.error is not None
    assert f"HTTP {status}: the URL's token" in report.error
    assert "secret" not in report.error
    assert report.messages == 0


def test_answer_that_is_not_a_websocket_is_reported() -> None:
    report = call(_listen, process_request=lambda socket, _: socket.respond(HTTPStatus(502), ""))

    assert report.error is not None
    assert "HTTP 502" in report.error


def test_gateway_that_hangs_up_is_reported() -> None:
    async def hang_up(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011)

    report = call(hang_up, speed=1)

    assert report.error is not None
    assert "closed the connection with code 1011" in report.error
    assert report.close_code == 1011


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ws://127.0.0.1:1/x?token=secret", "Connection refused"),
        ("http://127.0.0.1:1/x?token=secret", "not a WebSocket URL"),
    ],
)
def test_gateway_that_cannot_be_reached_is_reported(url: str, error: str) -> None:
    report = asyncio.run(place_call(url, PLAN))

    assert report.error is not None
    assert error in report.error
    assert "secret" not in report.error


@pytest.fixture
def recording(tmp_path: Path) -> str:
    audio.save(tmp_path / "call.wav", SAID)
    return str(tmp_path / "call.wav")


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(build(["call"]), ["call", *arguments])


@pytest.mark.parametrize("carrier", DIALECTS)
def test_command_prints_the_ids_of_call_and_stream(recording: str, carrier: CarrierName) -> None:
    who = Carrier(replace(PLAN, carrier=carrier, seed=7)).identity

    async def call_it() -> Result:
        async with serve(_listen, "127.0.0.1", 0) as server:
            where = ["--url", f"ws://{_address(server)}/x", "--carrier", carrier, "--seed", "7"]
            return await asyncio.to_thread(typed, recording, *where)

    result = asyncio.run(call_it())
    assert (result.exit_code, result.stderr) == (0, "")
    ids = f"call {who.call_id}, stream {who.stream_id}"
    lines = result.stdout.splitlines()
    assert lines[0] == ids
    assert lines[-1].startswith(f"{ids}  23 messages in ")


@pytest.mark.parametrize("carrier", DIALECTS)
def test_command_sends_custom_parameters(recording: str, carrier: CarrierName) -> None:
    starts: list[Start] = []

    async def keep(connection: ServerConnection) -> None:
        async for text in connection:
            event = DIALECTS[carrier].parse(text)
            starts.extend([event] if isinstance(event, Start) else [])

    async def call_it() -> Result:
        async with serve(keep, "127.0.0.1", 0) as server:
            options = ["--carrier", carrier, "--parameter", "lang=en", "--parameter", "q=a=b"]
            where = ["--url", f"ws://{_address(server)}/x", "--speed", "0"]
            return await asyncio.to_thread(typed, recording, *where, *options)

    assert asyncio.run(call_it()).exit_code == 0
    assert [start.parameters for start in starts] == [{"lang": "en", "q": "a=b"}]


def test_command_prints_no_summary_of_a_call_that_was_not_made(recording: str) -> None:
    result = typed(recording, "--url", "ws://127.0.0.1:1/x?token=secret")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "callstream: ws://127.0.0.1:1 cannot be reached: Connection refused\n"
