"""The listener on sockets.

These tests need a loopback socket, but no stack. The carrier simulator, which sends every dialect,
plays the gateway; a bare WebSocket does where the simulator is too well-behaved.
"""

import asyncio
import json
import logging
import math
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import audioop
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    Clear,
    Media,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
    Track,
)
from callstream.errors import Inexpressible
from callstream_cli import audio
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.listener.behaviour import DROPPED, NONSENSE, Behaviour, Handshake
from callstream_cli.listener.certificate import self_signed
from callstream_cli.listener.fork import ForkEnded
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Listener
from tests.template import ROOT

BOTH: dict[Track, bytes] = {"inbound": bytes(range(160)) * 25, "outbound": bytes(160) * 25}
INBOUND: dict[Track, bytes] = {"inbound": BOTH["inbound"]}
# More than the buffers on the way would take by default.
_MANY = 10_000
_LIKE_A_FRAME = "x" * 300


def run[T](doing: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(doing)


@dataclass
class Gateway:
    """A gateway that does what a test says, step by step."""

    socket: ClientConnection
    dialect: str = "twilio"
    number: int = 0
    heard: list[str | bytes] = field(default_factory=list)

    async def begin(self) -> None:
        """Say hello, and start."""
        await self.socket.send(self._said(DIALECTS[self.dialect].PROTOCOL))
        await self.socket.send(
            self._said(
                Start(
                    sequence=self._next(),
                    carrier_stream_id="ST1",
                    call_id="CA1",
                    account_id="AC1",
                    tracks=("inbound",),
                    format=PCMU_8K,
                )
            )
        )

    async def frame(self) -> None:
        """Send a frame."""
        chunk = self.number
        await self.socket.send(self._said(Media(self._next(), "inbound", chunk, 0, b"\1\2")))

    async def end(self) -> None:
        """Say goodbye."""
        await self.socket.send(self._said(Stop(self._next(), "CA1", "AC1")))
        await self.socket.close()

    def _said(self, event: Any) -> str:
        return DIALECTS[self.dialect].render(event, "ST1")

    def _next(self) -> int:
        self.number += 1
        return self.number


@asynccontextmanager
async def gateway(
    listener: Listener, dialect: str = "twilio", path: str = "", **options: Any
) -> AsyncIterator[Gateway]:
    async with connect(
        listener.url + path, proxy=None, compression=None, ping_interval=None, **options
    ) as socket:
        yield Gateway(socket, dialect)


def called(
    behaviour: Behaviour, plan: CallPlan, speed: float = 0
) -> tuple[CallReport, Listener, ForkState]:
    """Have a simulated carrier call, until the listener knows that it is over."""

    async def doing() -> tuple[CallReport, Listener, ForkState]:
        async with Listener(behaviour) as listener:
            placed = await place_call(listener.url, plan, speed=speed)
            fork = await listener.fork()
            await fork.until_ended()
            return placed, listener, fork.state

    return run(doing())


def called_until(
    condition: Callable[[ForkState], bool], behaviour: Behaviour, carrier: CarrierName = "twilio"
) -> tuple[CallReport, ForkState]:
    """Have a simulated carrier call in real time, and hang up when something has been heard."""

    async def doing() -> tuple[CallReport, ForkState]:
        plan = CallPlan({"inbound": bytes(8000 * 60)}, carrier=carrier)
        async with Listener(behaviour) as listener:
            placing = asyncio.create_task(place_call(listener.url, plan))
            fork = await listener.fork()
            await fork.until(condition)
            await fork.close()
            return await placing, fork.state

    return run(doing())


@pytest.mark.parametrize("carrier", DIALECTS)
def test_fork_of_any_dialect_is_received_whole(carrier: CarrierName) -> None:
    placed, listener, state = called(Behaviour(), CallPlan(BOTH, carrier=carrier, digits="7"))

    assert placed.error is None
    assert state.dialect == carrier
    assert state.faults == {}
    assert {track: state.audio(track) for track in BOTH} == BOTH
    assert state.messages == placed.messages
    assert (state.digits, state.closed_by) == ("7", "gateway")
    assert state.disconnected is not None
    assert state.disconnected.code == 1000
    assert listener.ended == 1


def test_simultaneous_forks_are_kept_apart() -> None:
    async def doing() -> None:
        async with Listener() as listener:
            plans = [CallPlan(BOTH, carrier=carrier) for carrier in ("twilio", "telnyx")] * 5
            placed = await asyncio.gather(*(place_call(listener.url, p, speed=10) for p in plans))
            await listener.until(lambda it: it.ended == 10)

            heard = {fork.state.start.carrier_stream_id: fork.state for fork in listener.forks}  # type: ignore[union-attr]
            assert heard.keys() == {report.identity.stream_id for report in placed}
            assert all(state.faults == {} for state in heard.values())
            assert [fork.state.number for fork in listener.forks] == [*range(1, 11)]

    run(doing())


@pytest.mark.parametrize("carrier", DIALECTS)
def test_echo_sends_the_inbound_audio_back(carrier: CarrierName) -> None:
    async def doing() -> None:
        async with Listener(Behaviour(echo=True)) as listener, gateway(listener, carrier) as it:
            await it.begin()
            for _ in range(5):
                await it.frame()
            for _ in range(5):
                said = DIALECTS[carrier].parse_return(await it.socket.recv())
                assert said == ReturnMedia(b"\1\2")
            await it.end()
            fork = await listener.fork()
            await fork.until_ended()
            assert (fork.state.sent.frames, fork.state.sent.audio_bytes) == (5, 10)

    run(doing())


def test_echo_has_the_format_of_the_answers() -> None:
    alaw = AudioFormat(encoding="PCMA", sample_rate=8000, channels=1)
    call = CallPlan(INBOUND, carrier="telnyx")

    placed, _, state = called(Behaviour(echo=True, answer_format=alaw), call)

    echoed = audioop.lin2alaw(audioop.ulaw2lin(INBOUND["inbound"], 2), 2)
    assert echoed.startswith(bytes(placed.playback.received))
    assert state.sent.unsent == []


def test_echo_that_cannot_be_made_is_reported() -> None:
    amr_wb = AudioFormat(encoding="AMR-WB", sample_rate=16_000, channels=1)

    _, _, state = called(Behaviour(echo=True, answer_format=amr_wb), CallPlan(INBOUND))

    assert state.sent.frames == 0
    [reason] = state.sent.unsent
    assert "AMR-WB" in reason


def test_outbound_track_is_not_echoed() -> None:
    placed, _, state = called(Behaviour(echo=True), CallPlan({"outbound": bytes(1600)}))

    assert state.counts.frames == {"outbound": 10}
    assert placed.playback.received == b""


@pytest.mark.parametrize("carrier", DIALECTS)
def test_played_file_is_followed_by_marks_that_come_back(carrier: CarrierName) -> None:
    behaviour = Behaviour(play=BOTH["inbound"], marks=("a", "b"))

    placed, state = called_until(lambda it: len(it.marks) == 2, behaviour, carrier)

    assert placed.playback.received == BOTH["inbound"]
    assert state.marks == ["a", "b"]
    assert (state.sent.frames, state.sent.marks) == (25, 2)


def test_file_is_played_in_real_time() -> None:
    async def doing() -> None:
        behaviour = Behaviour(play=BOTH["inbound"])
        async with Listener(behaviour) as listener, gateway(listener) as it:
            began = time.monotonic()
            await it.begin()
            for number in range(25):
                await it.socket.recv()
                # A busy machine may delay messages, but nothing makes them earlier.
                assert time.monotonic() - began >= number * 0.02

    run(doing())


def test_clear_returns_waiting_marks() -> None:
    behaviour = Behaviour(play=bytes(8000 * 60), speed=0, marks=("end",), clear_after=0.1)

    placed, state = called_until(lambda it: it.marks == ["end"], behaviour)

    assert len(placed.playback.received) == 8000 * 60
    assert (placed.playback.clears, state.sent.clears) == (1, 1)


def test_keys_are_pressed_into_signalwires_calls() -> None:
    behaviour = Behaviour(digits="12#", marks=("pressed",))

    placed, state = called_until(lambda it: bool(it.marks), behaviour, "signalwire")

    assert (placed.playback.digits, state.sent.digits, state.sent.unsent) == ("12#", 3, [])


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
def test_keys_are_sent_to_no_other_carrier(carrier: CarrierName) -> None:
    behaviour = Behaviour(digits="12#", marks=("pressed",))

    placed, state = called_until(lambda it: bool(it.marks), behaviour, carrier)

    assert (placed.playback.digits, placed.unreadable) == ("", 0)
    assert len(state.sent.unsent) == 3


def test_fork_sends_events_and_raw_messages() -> None:
    async def doing() -> None:
        async with Listener() as listener, gateway(listener, "telnyx") as it:
            await it.begin()
            fork = await listener.fork()
            for event in (ReturnMedia(b"hi"), ReturnMark("m"), Clear()):
                await fork.send_event(event)
                assert DIALECTS["telnyx"].parse_return(await it.socket.recv()) == event
            with pytest.raises(Inexpressible):
                await fork.send_event(ReturnDtmf("5"))
            await fork.send("anything")
            assert await it.socket.recv() == "anything"
            await it.end()
            await fork.until_ended()
            with pytest.raises(ForkEnded):
                await fork.send("too late")
            with pytest.raises(ForkEnded):
                await fork.until(lambda state: state.messages > 1000)

    run(doing())


def test_nonsense_is_sent_unchanged() -> None:
    async def doing() -> None:
        behaviour = Behaviour(messages=NONSENSE)
        async with Listener(behaviour) as listener, gateway(listener) as it:
            await it.begin()
            assert [await it.socket.recv() for _ in NONSENSE] == [*NONSENSE]
            fork = await listener.fork()
            await fork.until(lambda state: state.sent.others == len(NONSENSE))

    run(doing())


@pytest.mark.parametrize("status", [302, 401, 404, 429, 503])
def test_handshake_is_refused(status: int) -> None:
    async def doing() -> None:
        async with Listener(Behaviour(refuse=status)) as listener:
            with pytest.raises(InvalidStatus) as caught:
                await connect(listener.url + "x", proxy=None).__aenter__()
            assert caught.value.response.status_code == status
            await listener.until(lambda it: it.ended == 1)
            [refused] = listener.refused
            assert (refused.status, refused.handshake.path) == (status, "/x")
            assert listener.forks == []

    run(doing())


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({"Authorization": "Bearer s3cret"}, True),
        ({"x-telnyx-streaming-auth-token": "s3cret"}, True),
        ({"Authorization": "Bearer other"}, False),
        ({}, False),
    ],
)
def test_token_is_required(headers: dict[str, str], *, admitted: bool) -> None:
    async def doing() -> None:
        async with Listener(Behaviour(require_token="s3cret")) as listener:
            if not admitted:
                with pytest.raises(InvalidStatus) as caught:
                    await connect(listener.url, proxy=None, additional_headers=headers).__aenter__()
                assert caught.value.response.status_code == 401
                return
            async with gateway(listener, additional_headers=headers):
                fork = await listener.fork()
                assert fork.state.handshake.carries("s3cret")

    run(doing())


def test_path_and_headers_of_a_handshake_are_kept() -> None:
    async def doing() -> None:
        headers = {"X-Telnyx-Streaming-Auth-Token": "tok", "X-Other": "1"}
        async with (
            Listener() as listener,
            gateway(listener, path="a/b?c=d", additional_headers=headers),
        ):
            handshake = (await listener.fork()).state.handshake
        assert handshake.path == "/a/b?c=d"
        assert handshake.public_path == "/a/b"
        assert (handshake.auth_token, handshake.bearer) == ("tok", None)
        assert handshake.headers["x-other"] == "1"

    run(doing())


def test_nothing_of_a_fork_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def doing() -> None:
        headers = {"Authorization": "Bearer s3cret"}
        async with (
            Listener(Behaviour(require_token="s3cret")) as listener,
            gateway(
                listener, additional_headers=headers, logger=logging.getLogger("gateway")
            ) as it,
        ):
            await it.begin()
            await it.frame()
            await it.end()

    with caplog.at_level(logging.DEBUG):
        run(doing())

    logged = [record for record in caplog.records if record.name not in {"gateway", "asyncio"}]
    assert logged == []
    assert any("s3cret" in record.getMessage() for record in caplog.records)


def test_silent_listener_answers_no_handshake() -> None:
    async def doing() -> None:
        async with Listener(Behaviour(silent=True)) as listener:
            port = int(listener.url.rsplit(":", 1)[1].strip("/"))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            reading = asyncio.create_task(reader.read())
            done, _ = await asyncio.wait({reading}, timeout=0.3)
            assert not done
            writer.close()
            await listener.until(lambda it: it.ended == 1)
            assert listener.refused[0].status is None

    run(doing())


def test_unanswered_handshake_does_not_keep_the_listener_open() -> None:
    async def doing() -> None:
        async with Listener(Behaviour(silent=True)) as listener:
            connecting = asyncio.create_task(connect(listener.url, proxy=None).__aenter__())
            done, _ = await asyncio.wait({connecting}, timeout=0.2)
            assert not done
        with pytest.raises((WebSocketException, OSError)):
            await connecting

    run(doing())


def test_connection_without_a_request_does_not_keep_the_listener_open() -> None:
    async def doing() -> None:
        async with Listener() as listener:
            port = int(listener.url.rsplit(":", 1)[1].strip("/"))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET ")
            async with gateway(listener) as it:
                await it.begin()
        assert await reader.read() == b""
        writer.close()
        assert (len(listener.forks), listener.refused) == (1, [])

    run(doing())


def test_request_for_a_page_is_not_a_fork() -> None:
    async def doing() -> None:
        async with Listener() as listener:
            port = int(listener.url.rsplit(":", 1)[1].strip("/"))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 426 " in await reader.readline()
            writer.close()
        assert listener.ended == 0

    run(doing())


def test_leaving_ends_a_stall() -> None:
    async def doing() -> None:
        async with Listener(Behaviour(stall=math.inf)) as listener, gateway(listener) as it:
            await it.begin()
            fork = await listener.fork()
            await fork.until(lambda state: state.start is not None)
            await listener.__aexit__(None, None, None)
            await it.socket.wait_closed()
            assert it.socket.close_code == 1001

    run(doing())


def test_stalled_fork_reads_nothing_until_the_stall_ends() -> None:
    async def doing() -> None:
        behaviour = Behaviour(stall=math.inf)
        async with Listener(behaviour) as listener, gateway(listener) as it:
            await it.begin()
            fork = await listener.fork()
            await fork.until(lambda state: state.start is not None)

            sent = 0

            async def send_much() -> None:
                nonlocal sent
                for _ in range(_MANY):
                    await it.socket.send(_LIKE_A_FRAME)
                    sent += 1

            sending = asyncio.create_task(send_much())
            # What may be sent before the buffers are full is sent by now.
            await asyncio.wait({sending}, timeout=1.0)
            sent_before, heard_before = sent, fork.state.messages
            fork.resume()
            await sending
            await fork.until(lambda state: state.messages == 2 + _MANY)
            # A sender has to wait after seconds of a call, not after minutes.
            assert sent_before < 50 * 60
            assert heard_before == 2

    run(doing())


def test_stall_ends_by_itself() -> None:
    placed, _, state = called(Behaviour(stall=0.2), CallPlan(BOTH))

    assert placed.error is None
    assert state.faults == {}
    assert state.received[2].at - state.received[1].at >= 0.19


@pytest.mark.parametrize("code", [1000, 1011, 4000])
def test_listener_closes_with_a_code(code: int) -> None:
    async def doing() -> None:
        behaviour = Behaviour(close_after=0.05, close_code=code)
        async with Listener(behaviour) as listener, gateway(listener) as it:
            await it.begin()
            await it.socket.wait_closed()
            assert it.socket.close_code == code
            fork = await listener.fork()
            await fork.until_ended()
            assert fork.state.disconnected is not None
            assert (fork.state.disconnected.code, fork.state.closed_by) == (code, "listener")

    run(doing())


@pytest.mark.parametrize("stall", [None, math.inf])
def test_listener_drops_the_connection(stall: float | None) -> None:
    async def doing() -> None:
        behaviour = Behaviour(close_after=0.05, close_code=DROPPED, stall=stall)
        async with Listener(behaviour) as listener, gateway(listener) as it:
            await it.begin()
            with pytest.raises(ConnectionClosed):
                await it.socket.recv()
            assert it.socket.close_code == 1006
            fork = await listener.fork()
            await fork.until_ended()
            assert fork.state.disconnected is not None
            assert (fork.state.disconnected.code, fork.state.closed_by) == (1006, "listener")

    run(doing())


def test_gateway_that_dies_has_closed_without_a_stop() -> None:
    async def doing() -> None:
        async with Listener() as listener, gateway(listener) as it:
            await it.begin()
            await it.frame()
            fork = await listener.fork()
            await fork.until(lambda state: state.messages == 3)
            it.socket.transport.abort()
            await fork.until_ended()
            assert fork.state.stop is None
            assert fork.state.disconnected is not None
            assert (fork.state.disconnected.code, fork.state.closed_by) == (1006, "gateway")

    run(doing())


def test_leaving_closes_open_forks() -> None:
    async def doing() -> None:
        async with Listener() as listener:
            connection = await connect(listener.url, proxy=None)
            fork = await listener.fork()
        assert connection.close_code == 1001
        assert fork.ended
        assert fork.state.closed_by == "listener"

    run(doing())


def test_behaviour_may_be_chosen_for_each_fork() -> None:
    attempts: list[str] = []

    def choose(handshake: Handshake) -> Behaviour:
        attempts.append(handshake.path)
        return Behaviour(refuse=503) if len(attempts) == 1 else Behaviour(echo=True)

    async def doing() -> None:
        async with Listener(choose) as listener:
            first = await place_call(listener.url + "a", CallPlan(INBOUND), speed=0)
            second = await place_call(listener.url + "b", CallPlan(INBOUND), speed=0)
            await listener.until(lambda it: it.ended == 2)
            assert "HTTP 503" in str(first.error)
            assert second.error is None
            assert (len(listener.refused), len(listener.forks)) == (1, 1)

    run(doing())
    assert attempts == ["/a", "/b"]


@pytest.mark.parametrize("where", ["choose", "watch"])
def test_error_of_a_given_function_is_raised(where: str) -> None:
    def fail(*_: object) -> Behaviour:
        raise LookupError(where)

    async def doing() -> None:
        listener = Listener(fail) if where == "choose" else Listener(watch=fail)
        async with listener:
            await place_call(listener.url, CallPlan(INBOUND), speed=0)

    with pytest.raises(LookupError, match=where):
        run(doing())


def test_watcher_receives_all_events_in_order() -> None:
    told: list[object] = []

    async def doing() -> ForkState:
        async with Listener(watch=lambda _, event: told.append(event)) as listener:
            await place_call(listener.url, CallPlan(INBOUND), speed=0)
            fork = await listener.fork()
            await fork.until_ended()
            return fork.state

    state = run(doing())

    assert told == [*state.events, state.disconnected]


class TestTls:
    def test_gateway_that_trusts_the_certificate_connects(self) -> None:
        async def doing() -> None:
            async with Listener(tls=True) as listener:
                assert listener.url.startswith("wss://127.0.0.1:")
                assert listener.certificate is not None
                trust = ssl.create_default_context(cadata=listener.certificate.pem.decode())
                async with gateway(listener, ssl=trust) as it:
                    await it.begin()
                    await it.frame()
                    await it.end()
                fork = await listener.fork()
                await fork.until_ended()
                assert fork.state.faults == {}
                assert fork.state.audio("inbound") == b"\1\2"

        run(doing())

    @pytest.mark.parametrize(
        ("host", "valid", "why"),
        [
            ("127.0.0.1", timedelta(days=-1), "expired"),
            ("127.0.0.9", timedelta(days=1), "IP address mismatch"),
        ],
    )
    def test_certificate_may_be_a_bad_one(self, host: str, valid: timedelta, why: str) -> None:
        async def doing() -> None:
            certificate = self_signed(host, valid)
            trust = ssl.create_default_context(cadata=certificate.pem.decode())
            async with Listener(tls=certificate) as listener:
                with pytest.raises(ssl.SSLCertVerificationError, match=why):
                    await connect(listener.url, proxy=None, ssl=trust).__aenter__()

        run(doing())

    def test_gateway_that_does_not_trust_the_certificate_cannot_connect(self) -> None:
        async def doing() -> None:
            async with Listener(tls=True) as listener:
                with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
                    await connect(listener.url, proxy=None).__aenter__()
                assert listener.forks == []

        run(doing())


@dataclass
class Command:
    """`callstream listen`, running."""

    process: asyncio.subprocess.Process
    url: str
    first: str

    async def ends(self) -> tuple[int, str, str]:
        """Its status, and what it has written."""
        output, errors = await self.process.communicate()
        return self.process.returncode or 0, output.decode(), errors.decode()


def commanded[T](doing: Callable[[Command], Coroutine[Any, Any, T]], *arguments: str) -> T:
    """Run the command, and do something once it listens."""

    async def running() -> T:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "callstream_cli", "listen", *arguments),
            env=os.environ | {"PYTHONPATH": f"{ROOT}/layers/callstream:{ROOT}/cli"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        scripted = {"--json", "--events"} & {*arguments}
        first = (await (process.stderr if scripted else process.stdout).readline()).decode()
        assert first.startswith("listening at ")
        try:
            return await doing(Command(process, first.split()[-1], first))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return run(running())


def test_command_receives_forks_and_reports_them(tmp_path: Path) -> None:
    async def doing(command: Command) -> tuple[int, str, str]:
        for carrier in ("telnyx", "signalwire"):
            plan = CallPlan({"inbound": bytes(1600)}, carrier=carrier)
            await place_call(f"{command.url}a?token=s3cret", plan, speed=0)
        return await command.ends()

    arguments = ("--forks", "2", "--record", str(tmp_path), "--json")
    status, output, errors = commanded(doing, *arguments)

    told = json.loads(output)
    assert status == 0
    assert [fork["dialect"] for fork in told["forks"]] == ["telnyx", "signalwire"]
    assert all(fork["faults"] == {} for fork in told["forks"])
    assert all(fork["frames"] == {"inbound": 10} for fork in told["forks"])
    files = [Path(path) for fork in told["forks"] for path in fork["files"]]
    assert [audio.load(path)["inbound"] for path in files] == [b"\x00" * 1600] * 2
    assert "over (disconnected)  10 inbound frames" in errors
    assert "whole and in order" in errors
    assert "s3cret" not in output + errors


def test_command_sends_audio_and_marks(tmp_path: Path) -> None:
    audio.save(tmp_path / "hello.wav", INBOUND)
    plan = CallPlan({"inbound": bytes(8000 * 60)}, carrier="signalwire")
    reports: list[CallReport] = []

    async def doing(command: Command) -> CallReport:
        placing = asyncio.create_task(place_call(command.url, plan, watch=reports.append))
        # The report is plain data, which nobody tells of.
        while not (reports and reports[0].playback.marks):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        placing.cancel()
        assert (await command.ends())[0] == 0
        return reports[0]

    hello = str(tmp_path / "hello.wav")
    arguments = ("--forks", "1", "--play", hello, "--speed", "0", "--mark", "end", "--digits", "5")
    placed = commanded(doing, *arguments)

    assert placed.playback.received == INBOUND["inbound"]
    assert (placed.playback.marks, placed.playback.digits) == (1, "5")


def test_command_writes_a_line_for_every_event() -> None:
    async def doing(command: Command) -> tuple[int, str, str]:
        await place_call(command.url, CallPlan({"inbound": bytes(480)}), speed=0)
        return await command.ends()

    status, output, _ = commanded(doing, "--forks", "1", "--events", "--json")

    *events, last = map(json.loads, output.splitlines())
    assert status == 0
    assert [line["event"]["kind"] for line in events] == [
        *("connected", "start", "media", "media", "media", "stop", "disconnected", "over")
    ]
    assert {line["fork"] for line in events} == {1}
    assert last["forks"][0]["frames"] == {"inbound": 3}


def test_ctrl_c_ends_the_command_and_recordings_are_kept(tmp_path: Path) -> None:
    async def doing(command: Command) -> tuple[int, str, str]:
        async with connect(command.url, proxy=None) as socket:
            it = Gateway(socket)
            await it.begin()
            await it.frame()
            assert command.process.stderr is not None
            while b"start" not in await command.process.stderr.readline():
                pass
            await (await socket.ping())
            command.process.send_signal(signal.SIGINT)
            await socket.wait_closed()
            assert socket.close_code == 1001
        return await command.ends()

    status, output, _ = commanded(doing, "--record", str(tmp_path), "--json")

    [fork] = json.loads(output)["forks"]
    assert status == 130
    assert (fork["close_code"], fork["closed_by"], fork["stopped"]) == (1001, "listener", False)
    assert Path(fork["files"][0]).exists()


@pytest.mark.parametrize(("arguments", "expected"), [((), 0), (("--forks", "1"), 1)])
def test_time_out_ends_the_command(arguments: tuple[str, ...], expected: int) -> None:
    async def doing(command: Command) -> tuple[int, str, str]:
        return await command.ends()

    status, _, errors = commanded(doing, "--timeout", "0.1", *arguments)

    assert (status, errors) == (expected, "")


def test_refused_fork_counts_as_a_fork() -> None:
    async def doing(command: Command) -> tuple[int, str, str]:
        assert (await place_call(command.url, CallPlan(INBOUND))).error is not None
        return await command.ends()

    status, output, _ = commanded(doing, "--forks", "1", "--refuse", "503")

    assert status == 0
    assert "refused with HTTP 503" in output


def test_taken_port_is_an_error() -> None:
    async def doing() -> tuple[int, str]:
        async with Listener() as listener:
            port = listener.url.rsplit(":", 1)[1].strip("/")
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "callstream_cli", "listen", "--port", port),
                env=os.environ | {"PYTHONPATH": f"{ROOT}/layers/callstream:{ROOT}/cli"},
                stderr=asyncio.subprocess.PIPE,
            )
            _, errors = await process.communicate()
            return process.returncode or 0, errors.decode()

    status, errors = run(doing())

    assert status == 1
    assert "callstream: " in errors
    assert "in use" in errors
    assert "Traceback" not in errors
