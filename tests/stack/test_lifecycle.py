"""The life of streams and calls: counters, legs, and the sweep."""

import asyncio
import json
import os
import signal
import subprocess
import time
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from websockets.sync.client import connect

from callstream.audio.formats import PCMU_8K
from callstream.calls.sweep import ABNORMAL, KEEP_ALIVE_MARK
from callstream.dialects import DIALECTS
from callstream.dialects.events import Media, ReturnMark, Start, Stop
from callstream.frames.records import Disconnected, Record
from callstream_cli.carrier.plan import CallPlan, Fate, Faults
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.gateway import media_url
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.faults import names_of
from tests.stack.test_operator import CALLSTREAM, type_in

HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def call_of(stack: DeployedStack, call_id: str) -> dict[str, Any]:
    key = {"pk": f"CALL#demo#{call_id}", "sk": "CALL"}
    call: dict[str, Any] = eventually(lambda: stack.table("streams").get_item(Key=key).get("Item"))
    return call


def stream_of(stack: DeployedStack, stream_id: str) -> dict[str, Any]:
    key = {"pk": f"STREAM#{stream_id}", "sk": "STREAM"}
    stream: dict[str, Any] = stack.table("streams").get_item(Key=key)["Item"]
    return stream


def only_stream(stack: DeployedStack, call_id: str) -> str:
    [stream_id] = call_of(stack, call_id)["streams"]
    return str(stream_id)


def sweep(stack: DeployedStack) -> dict[str, int]:
    """One round, now."""
    [name] = names_of(stack, "SweepFunction")
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    steps = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, steps
    assert isinstance(steps, dict)
    return steps


def say(carrier: str, event: Any) -> str:
    return DIALECTS[carrier].render(event, "MZ-1")


def start(call_id: str, carrier_stream_id: str = "MZ-1", session_id: str | None = None) -> Start:
    return Start(
        sequence=1,
        carrier_stream_id=carrier_stream_id,
        call_id=call_id,
        account_id="AC",
        tracks=("inbound",),
        format=PCMU_8K,
        session_id=session_id,
    )


def test_counters_of_a_shuffled_lossy_repeated_call_are_exact(stack: DeployedStack) -> None:
    audio = {
        "inbound": Random(1).randbytes(160 * 250),  # noqa: S311
        "outbound": Random(2).randbytes(160 * 250),  # noqa: S311
    }
    faults = Faults(shuffle=20, duplicate=0.1, drop=0.05, corrupt=0.05)
    plan = CallPlan(audio, faults, seed=3)  # type: ignore[arg-type]
    report: CallReport = asyncio.run(
        place_call(media_url(stack.description, "autotranscribe"), plan, speed=4)
    )
    assert report.error is None
    fates = report.fates
    assert min(fates[fate] for fate in (Fate.DUPLICATE, Fate.DROPPED, Fate.CORRUPTED)) > 0
    stream_id = only_stream(stack, report.identity.call_id)

    def counted() -> dict[str, Any] | None:
        stream = stream_of(stack, stream_id)
        # One more than was sent: `disconnected`.
        return stream if stream.get("messages") == report.messages + 1 else None

    stream = eventually(counted)
    assert stream["frames"] == dict(report.frames)
    assert stream["audio_bytes"] == 160 * sum(report.frames.values())
    assert stream["repeats"] == fates[Fate.DUPLICATE]
    assert sum(stream["rejected"].values()) == fates[Fate.CORRUPTED]
    assert stream["skipped"] == fates[Fate.DROPPED] + fates[Fate.CORRUPTED]
    assert 0 < stream["gaps"] <= stream["skipped"]
    assert (stream["late"], stream["strays"], stream["restarts"]) == (0, 0, 0)
    assert stream["connected_at"] <= stream["last_seen_at"] <= now_ms()
    assert stream["first_seen_at"] < stream["last_seen_at"]


def test_legs_of_a_call_share_a_session(stack: DeployedStack) -> None:
    session = f"session-{uuid4()}"
    legs = [f"v3:{uuid4()}" for _ in range(2)]
    url = media_url(stack.description, "autotranscribe")
    with (
        connect(url, proxy=None, compression=None) as one,
        connect(url, proxy=None, compression=None) as other,
    ):
        for socket, leg in zip((one, other), legs, strict=True):
            socket.send(say("telnyx", start(leg, str(uuid4()), session)))

        def whole() -> dict[str, Any] | None:
            shown = show(stack, "calls", "show", legs[0])
            return shown if len(shown["legs"]) == 2 else None

        for leg in legs:
            call_of(stack, leg)
        shown = eventually(whole)
        assert {leg["call_id"] for leg in shown["legs"]} == set(legs)
        assert {leg["session_id"] for leg in shown["legs"]} == {session}
        assert {stream["state"] for stream in shown["streams"]} == {"streaming"}
        listed = [call["call_id"] for call in show(stack, "calls", "list", "--tenant", "demo")]
        first = min(listed.index(leg) for leg in legs)
        assert set(listed[first : first + 2]) == set(legs)
    for leg in legs:
        eventually(lambda leg=leg: call_of(stack, leg)["state"] == "ended")  # type: ignore[misc]


def show(stack: DeployedStack, *arguments: str) -> Any:
    done = type_in(stack, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_stream_without_a_disconnection_is_swept(stack: DeployedStack) -> None:
    stream_id, call_id = str(uuid4()), f"CA-{uuid4()}"
    connected_at = now_ms() - 5 * 60_000
    table = stack.table("streams")
    common = {"tenant_id": "demo", "call_id": call_id, "expires_at": now_ms() // 1000 + 3600}
    reader = stack.reader("LATEST")
    reader.poll()
    table.put_item(
        Item=common
        | {
            "pk": f"CALL#demo#{call_id}",
            "sk": "CALL",
            "state": "active",
            "started_at": connected_at,
            "streams": {stream_id},
            "open_streams": {stream_id},
        }
    )
    table.put_item(
        Item=common
        | {
            "pk": f"STREAM#{stream_id}",
            "sk": "STREAM",
            "stream_id": stream_id,
            "route": "genagent",
            "connection_id": "nowhere",
            "live": "yes",
            "state": "streaming",
            "dialect": "twilio",
            "carrier_stream_id": "MZ-1",
            "account_id": "AC1",
            "tracks": ["inbound"],
            "encoding": "PCMU",
            "sample_rate": 8000,
            "channels": 1,
            "connected_at": connected_at,
            "started_at": connected_at,
        }
    )
    # Its own schedule may come first.
    sweep(stack)

    def record() -> Record | None:
        for arrival in reader.poll():
            if isinstance(arrival.record, Record) and arrival.record.stream_id == stream_id:
                return arrival.record
        return None

    found = eventually(record)
    assert isinstance(found.event, Disconnected)
    assert found.event.code == ABNORMAL
    eventually(lambda: stream_of(stack, stream_id)["state"] == "closed")
    eventually(lambda: call_of(stack, call_id)["state"] == "ended")
    # The counters have it too, and the index has it no more.
    eventually(lambda: stream_of(stack, stream_id).get("messages") == 1)
    live = show(stack, "streams", "list")
    assert stream_id not in {stream["stream_id"] for stream in live}


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "signalwire"])
def test_idle_connection_is_sent_a_mark_before_its_time_out(
    stack: DeployedStack, carrier: str
) -> None:
    call_id = f"CA-{uuid4()}"
    with connect(
        media_url(stack.description, "autotranscribe"), proxy=None, compression=None
    ) as socket:
        socket.send(say(carrier, start(call_id)))
        stream_id = only_stream(stack, call_id)
        key = {"pk": f"STREAM#{stream_id}", "sk": "STREAM"}
        stack.table("streams").update_item(
            Key=key,
            UpdateExpression="SET connected_at = :then",
            ExpressionAttributeValues={":then": now_ms() - HOUR_MS},
        )
        sweep(stack)

        mark = DIALECTS[carrier].parse_return(socket.recv(timeout=60))
        assert mark == ReturnMark(KEEP_ALIVE_MARK)
        eventually(lambda: stream_of(stack, stream_id).get("kept_alive_at"))
        # Not again a moment later.
        sweep(stack)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
        socket.send(say(carrier, Media(2, "inbound", 1, 0, bytes(160))))
        socket.send(say(carrier, Stop(3, call_id, "AC")))
    eventually(lambda: stream_of(stack, stream_id)["state"] == "closed")


def test_call_that_the_carrier_connects_twice_has_two_streams(stack: DeployedStack) -> None:
    call_id, url = f"CA-{uuid4()}", media_url(stack.description, "autotranscribe")
    with connect(url, proxy=None, compression=None) as one:
        one.send(say("twilio", start(call_id)))
        first = only_stream(stack, call_id)
        with connect(url, proxy=None, compression=None) as other:
            other.send(say("twilio", start(call_id)))
            eventually(lambda: len(call_of(stack, call_id)["streams"]) == 2)
            assert call_of(stack, call_id)["open_streams"] == call_of(stack, call_id)["streams"]
            second = stream_of(stack, first)["continued_by"]
            assert stream_of(stack, second)["continues"] == first


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_watching_ends_with_ctrl_c(stack: DeployedStack, form: list[str]) -> None:
    watching = subprocess.Popen(
        [CALLSTREAM, "streams", "list", "--watch", *form],
        env=os.environ | {"CALLSTREAM_STATE_DIR": str(stack.state_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        first, second = watching.stdout.readline(), watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        status, errors = watching.wait(), watching.stderr.read()
    assert (status, errors) == (130, "")
    for line in (first, second):
        assert isinstance(json.loads(line), list) if form else "streams" in line
