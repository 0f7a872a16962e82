"""One recording, played by each carrier: the result does not depend on the carrier."""

from collections import defaultdict
from functools import partial

from callstream.audio.formats import PCMU_8K
from callstream.dialects import DIALECTS
from callstream.dialects.events import Dtmf, Media, Start
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Disconnected, Record
from callstream_cli.audio import Tracks
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Fate, Faults
from callstream_cli.carrier.session import CallReport
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.test_calls import noise, place

RECORDING: Tracks = {"inbound": noise(12, 9)}
CARRIERS: tuple[CarrierName, ...] = ("twilio", "telnyx", "signalwire")


def test_recording_lands_the_same_in_each_of_three_dialects(
    stack: DeployedStack,
) -> None:
    assert set(CARRIERS) == DIALECTS.keys()
    faults = Faults(shuffle=25, duplicate=0.05)
    plans = [
        CallPlan(
            RECORDING, faults, carrier=carrier, digits="5", parameters={"lang": "en"}, seed=seed
        )
        for seed, carrier in enumerate(CARRIERS)
    ]
    reader = stack.reader("LATEST")
    records = defaultdict[str, list[Record]](list)

    def story_of(report: CallReport) -> list[Record] | None:
        """A call's records, once its socket has closed."""
        for arrival in reader.poll():
            assert isinstance(arrival.record, Record)
            records[arrival.record.stream_id].append(arrival.record)
        for story in records.values():
            events = [record.event for record in story]
            starts = [event.carrier_stream_id for event in events if isinstance(event, Start)]
            has_ended = any(isinstance(event, Disconnected) for event in events)
            if has_ended and report.identity.stream_id in starts:
                return story
        return None

    came_out = {}
    for plan, report in zip(plans, place(stack, *plans), strict=True):
        story = eventually(partial(story_of, report))
        came_out[plan.carrier] = whole_audio(plan, report, story)
        assert_item_is_right(stack, story[0].stream_id, plan, report)

    assert came_out == dict.fromkeys(CARRIERS, RECORDING["inbound"])


def whole_audio(plan: CallPlan, report: CallReport, story: list[Record]) -> bytes:
    """The audio put together from a call's records, which are checked on the way."""
    who, recording = report.identity, StreamRecording()
    for record in story:
        recording.add(record)
        is_ours = isinstance(record.event, Disconnected)
        assert record.dialect == (None if is_ours else plan.carrier)

    is_telnyx = plan.carrier == "telnyx"
    assert recording.connected == DIALECTS[plan.carrier].PROTOCOL
    assert recording.start == Start(
        sequence=1,
        carrier_stream_id=who.stream_id,
        call_id=who.call_id,
        account_id=who.account_id,
        tracks=() if is_telnyx else ("inbound",),
        format=PCMU_8K,
        parameters={"lang": "en"},
        session_id=who.session_id,
        from_number="+13125550100" if is_telnyx else None,
        to_number="+13125550101" if is_telnyx else None,
    )
    [key] = [event for event in recording.events() if isinstance(event, Dtmf)]
    assert key.digit == "5"
    assert (key.duration_ms is None) == (plan.carrier != "signalwire")
    assert (key.occurred_at is None) == (plan.carrier != "telnyx")
    assert recording.stop is not None
    assert recording.stop.call_id == (None if plan.carrier == "signalwire" else who.call_id)

    stats = recording.stats()
    assert (stats.missing, stats.conflicts, stats.rejected) == (0, 0, 0)
    assert stats.repeats == report.fates[Fate.DUPLICATE] > 0
    arrived = [record.event.sequence for record in story if isinstance(record.event, Media)]
    assert arrived != sorted(arrived)
    return recording.audio("inbound")


def assert_item_is_right(
    stack: DeployedStack, stream_id: str, plan: CallPlan, report: CallReport
) -> None:
    who = report.identity
    key = {"pk": f"STREAM#{stream_id}", "sk": "STREAM"}
    item = stack.table("streams").get_item(Key=key)["Item"]
    expected = {
        "dialect": plan.carrier,
        "carrier_stream_id": who.stream_id,
        "call_id": who.call_id,
        "account_id": who.account_id,
        "tracks": [] if plan.carrier == "telnyx" else ["inbound"],
        "encoding": "PCMU",
        "sample_rate": 8000,
        "channels": 1,
    }
    assert {name: item[name] for name in expected} == expected
