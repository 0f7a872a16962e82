"""Whole calls, from a signed URL into Kinesis, bit for bit."""

import asyncio
from random import Random

import pytest
from websockets.sync.client import connect

from callstream.audio.formats import PCMU_8K
from callstream.dialects import twilio
from callstream.dialects.events import Mark, Start, Stop
from callstream_cli.carrier.plan import CallPlan, Fate, Faults
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.gateway import media_url
from tests.stack.conftest import DeployedStack, Tape, eventually

FRAME = 160
SECOND = 50 * FRAME


def noise(seconds: float, seed: int) -> bytes:
    """Audio in which every frame differs from every other."""
    return Random(seed).randbytes(int(seconds * SECOND))  # noqa: S311


def place(stack: DeployedStack, *plans: CallPlan, speed: float = 0) -> list[CallReport]:
    async def all_at_once() -> list[CallReport]:
        return await asyncio.gather(
            *(
                place_call(media_url(stack.description, "autotranscribe"), plan, speed=speed)
                for plan in plans
            )
        )

    reports = asyncio.run(all_at_once())
    for report in reports:
        assert report.error is None
        assert report.close_code == 1000
        assert report.unreadable == 0
    return reports


def test_two_simultaneous_calls_of_30_seconds_land_bit_exact(
    stack: DeployedStack, tape: Tape
) -> None:
    plans = [
        CallPlan({"inbound": noise(30, 1), "outbound": noise(30, 2)}),
        CallPlan({"inbound": noise(30, 3)}),
    ]
    for plan, report in zip(plans, place(stack, *plans, speed=1), strict=True):
        stream = tape.stream_of(report.identity.call_id)

        assert stream.stats().missing == 0
        assert stream.stats().frames == dict.fromkeys(plan.tracks, 1500)
        assert stream.stats().rejected == 0
        for track, audio in plan.tracks.items():
            assert stream.audio(track) == audio


def test_shuffled_and_duplicated_frames_are_put_in_order(stack: DeployedStack, tape: Tape) -> None:
    audio = {"inbound": noise(5, 4), "outbound": noise(5, 5)}
    faults = Faults(shuffle=25, duplicate=0.2)
    [report] = place(stack, CallPlan(audio, faults, seed=1))  # type: ignore[arg-type]
    stream = tape.stream_of(report.identity.call_id)

    assert report.fates[Fate.DUPLICATE] > 0
    assert stream.stats().repeats == report.fates[Fate.DUPLICATE]
    assert stream.stats().conflicts == 0
    assert stream.stats().missing == 0
    assert {track: stream.audio(track) for track in audio} == audio  # type: ignore[arg-type]


def test_dropped_and_corrupted_frames_are_counted(stack: DeployedStack, tape: Tape) -> None:
    faults = Faults(drop=0.1, corrupt=0.1)
    [report] = place(stack, CallPlan({"inbound": noise(5, 6)}, faults, seed=2))
    stream = tape.stream_of(report.identity.call_id)
    dropped, corrupted = report.fates[Fate.DROPPED], report.fates[Fate.CORRUPTED]

    assert dropped > 0
    assert corrupted > 0
    assert stream.stats().rejected == corrupted
    assert stream.stats().missing == dropped + corrupted
    assert stream.audio("inbound") == report.audio("inbound")


def test_call_lands_whole_and_its_state_is_stored(stack: DeployedStack, tape: Tape) -> None:
    plan = CallPlan({"inbound": noise(1, 7)}, digits="1#", parameters={"lang": "en-US"})
    [report] = place(stack, plan)
    identity = report.identity
    stream = tape.stream_of(identity.call_id)

    assert stream.connected == twilio.PROTOCOL
    assert stream.start == Start(
        sequence=1,
        carrier_stream_id=identity.stream_id,
        call_id=identity.call_id,
        account_id=identity.account_id,
        tracks=("inbound",),
        format=PCMU_8K,
        parameters={"lang": "en-US"},
    )
    assert [event.digit for event in stream.events() if hasattr(event, "digit")] == ["1", "#"]
    assert stream.stop == Stop(54, identity.call_id, identity.account_id)
    assert stream.disconnected is not None

    table = stack.table("streams")
    call_key = {"pk": f"CALL#demo#{identity.call_id}", "sk": "CALL"}

    def ended() -> dict[str, object] | None:
        call: dict[str, object] = table.get_item(Key=call_key)["Item"]
        return call if call["state"] == "ended" else None

    assert "open_streams" not in eventually(ended)


@pytest.mark.parametrize(
    "text",
    [
        "RIFF",
        "",
        "[]",
        "{}",
        '{"event": 5}',
        '{"event": "transfer"}',
        '{"event": "media"}',
        '{"event": "start"}',
        '{"event": "media", "sequenceNumber": "1", "media": {"payload": "*"}}',
        '{"event": "$connect"}',
        '{"event": "$disconnect"}',
        '{"event": "\\u0000"}',
    ],
)
def test_carrier_never_receives_an_error_frame(stack: DeployedStack, text: str) -> None:
    url = media_url(stack.description, "genagent")
    with connect(url, proxy=None, compression=None) as socket:
        socket.send(text)
        socket.send(twilio.render(Mark(2, "still here"), "MZ"))
        # The pong comes after what was sent before has been taken.
        socket.ping().wait()
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
