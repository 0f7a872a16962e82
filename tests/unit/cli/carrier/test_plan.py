"""The messages of a simulated call, against the carriers' documents; and its faults."""

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.formats import AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    Clear,
    Connected,
    Dtmf,
    Media,
    ReturnDtmf,
    Start,
    Stop,
    Track,
)
from callstream.errors import UnreadableMessage
from callstream.frames.publisher import read
from callstream.frames.records import Rejected
from callstream.reordering.buffer import ReorderBuffer
from callstream.reordering.window import Window
from callstream_cli.audio import Tracks
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Faults, Message, Sequel, corrupted

STEREO: Tracks = {"inbound": bytes(range(200)) * 4, "outbound": bytes(reversed(range(200))) * 4}


L16_24K = AudioFormat("L16", 24_000, 1)


FRAMES = 5


UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def sent(plan: CallPlan) -> list[Message]:
    return [message for message in Carrier(plan).messages() if message.fate is not Fate.DROPPED]


def sequence_of(message: Message) -> int:
    assert not isinstance(message.event, Connected)
    assert message.event.sequence is not None
    return message.event.sequence


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "signalwire"])
def test_call_id_that_is_given_is_the_calls(carrier: CarrierName) -> None:
    plan = CallPlan(STEREO, carrier=carrier, seed=1)
    named, other = Carrier(replace(plan, call_id="CA0123")), Carrier(plan)

    assert {
        message.event.call_id
        for message in named.messages()
        if isinstance(message.event, Start | Stop)
    } - {None} == {"CA0123"}
    assert replace(named.identity, call_id=other.identity.call_id) == other.identity


def test_call_of_twilio_is_as_documented() -> None:
    carrier = Carrier(CallPlan(STEREO, digits="4", parameters={"tenant": "acme"}))
    messages = [json.loads(message.text) for message in carrier.messages()]
    who = carrier.identity

    assert messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert messages[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": who.stream_id,
        "start": {
            "streamSid": who.stream_id,
            "accountSid": who.account_id,
            "callSid": who.call_id,
            "tracks": ["inbound", "outbound"],
            "customParameters": {"tenant": "acme"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    media = [message for message in messages if message["event"] == "media"]
    assert [
        (each["media"]["track"], each["media"]["chunk"], each["media"]["timestamp"])
        for each in media
    ] == [
        (track, str(index + 1), str(index * 20))
        for index in range(FRAMES)
        for track in ("inbound", "outbound")
    ]
    assert messages[-2] == {
        "event": "dtmf",
        "streamSid": who.stream_id,
        "sequenceNumber": "12",
        "dtmf": {"track": "inbound_track", "digit": "4"},
    }
    assert messages[-1] == {
        "event": "stop",
        "sequenceNumber": "13",
        "streamSid": who.stream_id,
        "stop": {"accountSid": who.account_id, "callSid": who.call_id},
    }
    assert [message["sequenceNumber"] for message in messages[1:]] == [
        str(number) for number in range(1, 14)
    ]
    assert carrier.frame_count == len(media)


def test_call_of_telnyx_is_as_documented() -> None:
    plan = CallPlan(STEREO, carrier="telnyx", digits="4", parameters={"tenant": "acme"})
    carrier = Carrier(plan, began_at=1_795_262_400.25)
    messages = [json.loads(message.text) for message in carrier.messages()]
    who = carrier.identity

    assert messages[0] == {"event": "connected", "version": "1.0.0"}
    assert messages[1] == {
        "event": "start",
        "sequence_number": "1",
        "stream_id": who.stream_id,
        "start": {
            "user_id": who.account_id,
            "call_control_id": who.call_id,
            "call_session_id": who.session_id,
            "from": "+13125550100",
            "to": "+13125550101",
            "tags": [],
            "custom_parameters": {"tenant": "acme"},
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    }
    assert messages[3] == {
        "event": "media",
        "sequence_number": "3",
        "stream_id": who.stream_id,
        "media": {
            "track": "outbound",
            "chunk": "1",
            "timestamp": "0",
            "payload": b64encode(STEREO["outbound"][:160]).decode(),
        },
    }
    assert messages[-2] == {
        "event": "dtmf",
        "stream_id": who.stream_id,
        "sequence_number": "12",
        "occurred_at": "2026-11-21T12:00:00.750000Z",
        "dtmf": {"digit": "4"},
    }
    assert messages[-1] == {
        "event": "stop",
        "stream_id": who.stream_id,
        "sequence_number": "13",
        "stop": {"user_id": who.account_id, "call_control_id": who.call_id},
    }
    assert [message["sequence_number"] for message in messages[1:]] == [
        str(number) for number in range(1, 14)
    ]


def test_call_of_signalwire_is_as_documented() -> None:
    carrier = Carrier(CallPlan(STEREO, carrier="signalwire", digits="4"))
    messages = [json.loads(message.text) for message in carrier.messages()]
    who = carrier.identity

    assert messages[0] == {"event": "connected", "protocol": "Call", "version": "0.2.0"}
    assert messages[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "streamSid": who.stream_id,
            "accountSid": who.account_id,
            "callSid": who.call_id,
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    assert messages[3] == {
        "event": "media",
        "sequenceNumber": "3",
        "media": {
            "track": "outbound",
            "chunk": "1",
            "timestamp": "0",
            "payload": b64encode(STEREO["outbound"][:160]).decode(),
        },
    }
    assert messages[-2] == {
        "event": "dtmf",
        "streamSid": who.stream_id,
        "sequenceNumber": "12",
        "dtmf": {"digit": "4", "duration": 160},
    }
    assert messages[-1] == {"event": "stop", "sequenceNumber": "13"}


@pytest.mark.parametrize(
    ("carrier", "format_", "named"),
    [
        ("telnyx", AudioFormat("OPUS", 16_000, 1), ("OPUS", 16_000)),
        ("telnyx", AudioFormat("G722", 8000, 1), ("G722", 8000)),
        ("signalwire", AudioFormat("L16", 24_000, 1), ("audio/x-L16", 24_000)),
    ],
)
def test_call_of_another_codec_names_it_and_sends_frames_as_they_are(
    carrier: CarrierName, format_: AudioFormat, named: tuple[str, int]
) -> None:
    packets = [b"one", b"another", b"3"]
    plan = CallPlan({"inbound": packets}, carrier=carrier, format=format_)
    messages = [json.loads(message.text) for message in sent(plan)]

    body = messages[1]["start"]
    told = body.get("media_format") or body["mediaFormat"]
    assert (told["encoding"], told.get("sample_rate") or told["sampleRate"]) == named
    payloads = [each["media"]["payload"] for each in messages if each["event"] == "media"]
    assert payloads == [b64encode(packet).decode() for packet in packets]
    assert Carrier(plan).frame_count == 3


def test_audio_is_cut_into_frames_of_20_ms_of_its_format() -> None:
    plan = CallPlan({"inbound": bytes(1600)}, carrier="signalwire", format=L16_24K)

    media = [each.event for each in sent(plan) if isinstance(each.event, Media)]

    assert [len(frame.audio) for frame in media] == [960, 960]


@pytest.mark.parametrize(
    ("carrier", "forms"),
    [
        (
            "twilio",
            {
                "stream_sid": "MZ[0-9a-f]{32}",
                "call_sid": "CA[0-9a-f]{32}",
                "account_sid": "AC[0-9a-f]{32}",
            },
        ),
        (
            "telnyx",
            {
                "stream_id": UUID,
                "call_control_id": r"v3:[\w-]{44}",
                "user_id": UUID,
                "call_session_id": UUID,
            },
        ),
        ("signalwire", {"stream_sid": UUID, "call_sid": UUID, "account_sid": UUID}),
    ],
)
def test_ids_have_the_carriers_names_and_form(carrier: CarrierName, forms: dict[str, str]) -> None:
    ids = Carrier(CallPlan(STEREO, carrier=carrier)).identity.named()

    assert ids.keys() == forms.keys()
    assert all(re.fullmatch(form, ids[name]) for name, form in forms.items())
    assert len(set(ids.values())) == len(ids)


def test_frame_is_sent_at_its_end_and_a_digit_when_it_is_pressed() -> None:
    messages = sent(CallPlan({"inbound": bytes(160 * 60)}, digits="12"))

    assert [m.at for m in messages if isinstance(m.event, Media)] == [
        pytest.approx((index + 1) * 0.02) for index in range(60)
    ]
    assert [m.at for m in messages if isinstance(m.event, Dtmf)] == [0.5, 1.0]
    assert [m.at for m in messages] == sorted(m.at for m in messages)


def test_comma_among_the_digits_is_a_pause() -> None:
    messages = sent(CallPlan({"inbound": bytes(160)}, digits=",1,,2"))

    keys = [(m.at, m.event.digit) for m in messages if isinstance(m.event, Dtmf)]
    assert keys == [(2.5, "1"), (7.0, "2")]


def test_shorter_track_ends_earlier() -> None:
    messages = sent(CallPlan({"inbound": bytes(480), "outbound": bytes(160)}))

    assert Counter(m.event.track for m in messages if isinstance(m.event, Media)) == {
        "inbound": 3,
        "outbound": 1,
    }


@pytest.mark.parametrize(
    ("name", "numbered", "others"),
    [
        ("twilio", {"sequenceNumber": "3"}, [1, 2, 4, 5]),
        ("telnyx", {"sequence_number": "3"}, [1, 2, 4, 5]),
        ("signalwire", {}, [1, 2, 3, 4]),
    ],
)
def test_returned_mark_is_numbered_except_signalwires(
    name: CarrierName, numbered: dict[str, str], others: list[int]
) -> None:
    carrier = Carrier(CallPlan({"inbound": bytes(320)}, carrier=name))
    messages = carrier.messages()
    taken = [next(messages) for _ in range(3)]

    mark = json.loads(carrier.mark("greeting"))
    rest = list(messages)

    stream = "stream_id" if name == "telnyx" else "streamSid"
    assert mark == {
        "event": "mark",
        stream: carrier.identity.stream_id,
        "mark": {"name": "greeting"},
        **numbered,
    }
    assert [sequence_of(m) for m in (*taken[1:], *rest)] == others


@pytest.mark.parametrize("name", DIALECTS)
def test_carrier_understands_its_vendors_documented_messages(name: CarrierName) -> None:
    carrier = Carrier(CallPlan(STEREO, carrier=name))
    key = '{"event": "dtmf", "streamSid": "x", "dtmf": {"digit": "5"}}'

    assert carrier.parse_return('{"event": "clear"}') == Clear()
    if name == "signalwire":
        assert carrier.parse_return(key) == ReturnDtmf("5")
    else:
        with pytest.raises(UnreadableMessage):
            carrier.parse_return(key)


probabilities = st.floats(0, 0.4)


plans = st.builds(
    CallPlan,
    tracks=st.builds(
        lambda inbound, outbound: {"inbound": bytes(inbound), "outbound": bytes(outbound)},
        st.integers(1, 8000),
        st.integers(0, 8000),
    ),
    faults=st.builds(
        Faults,
        shuffle=st.integers(0, 12),
        shuffle_control=st.booleans(),
        duplicate=probabilities,
        drop=probabilities,
        corrupt=probabilities,
    ),
    carrier=st.sampled_from(list(DIALECTS)),
    digits=st.text("0123456789*#", max_size=3),
    seed=st.integers(0, 2**32),
)


@given(plans)
def test_seed_repeats_ids_and_faults(plan: CallPlan) -> None:
    assert list(Carrier(plan).messages()) == list(Carrier(plan).messages())


@given(plans)
def test_every_frame_has_one_fate_and_corrupted_frames_are_unreadable(plan: CallPlan) -> None:
    carrier = Carrier(plan)
    fates: dict[int, list[Fate]] = {}
    for message in carrier.messages():
        if isinstance(message.event, Media):
            fates.setdefault(sequence_of(message), []).append(message.fate)
        if message.fate is Fate.CORRUPTED:
            with pytest.raises(UnreadableMessage):
                DIALECTS[plan.carrier].parse(message.text)
            assert isinstance(read(message.text).event, Rejected)
        else:
            assert read(message.text) == (message.event, plan.carrier)

    assert len(fates) == carrier.frame_count
    allowed = [[Fate.SENT], [Fate.DROPPED], [Fate.CORRUPTED], [Fate.DUPLICATE, Fate.SENT]]
    assert all(sorted(found) in allowed for found in fates.values())


@given(plans)
def test_times_never_decrease(plan: CallPlan) -> None:
    times = [message.at for message in Carrier(plan).messages()]

    assert times == sorted(times)


@given(plans)
def test_only_media_messages_are_shuffled_by_default(plan: CallPlan) -> None:
    kept = replace(plan, faults=replace(plan.faults, shuffle_control=False))
    events = [message.event for message in sent(kept)]

    assert isinstance(events[0], Connected)
    assert isinstance(events[1], Start)
    assert isinstance(events[-1], Stop)


@given(plans)
def test_shuffling_stays_within_its_window(plan: CallPlan) -> None:
    numbered = [m for m in sent(plan) if not isinstance(m.event, Connected)]
    media = [m for m in numbered if plan.faults.shuffle_control or isinstance(m.event, Media)]
    index = {number: i for i, number in enumerate(sorted({sequence_of(m) for m in media}))}
    highest = -1
    for message in media:
        place = index[sequence_of(message)]
        assert highest - place < max(plan.faults.shuffle, 1)
        highest = max(highest, place)


def test_control_messages_are_shuffled_on_request() -> None:
    faults = Faults(shuffle=10, shuffle_control=True)
    first = {type(sent(CallPlan(STEREO, faults, seed=seed))[0].event) for seed in range(50)}

    assert {Connected, Media} <= first


def test_reorder_buffer_of_the_same_window_restores_the_order() -> None:
    plan = CallPlan({"inbound": bytes(160 * 500)}, Faults(shuffle=25, duplicate=0.1), seed=7)
    buffer = ReorderBuffer[int](Window(messages=25, seconds=1e9), first=1)
    arrivals = [sequence_of(m) for m in sent(plan) if not isinstance(m.event, Connected)]

    released = [out for number in arrivals for out in buffer.push(number, number, number, now=0.0)]

    assert arrivals != sorted(arrivals)
    assert released == list(range(1, 503))
    assert buffer.history.counts.repeats == len(arrivals) - 502


@pytest.mark.parametrize("carrier", DIALECTS)
def test_corruption_makes_messages_unreadable_in_several_ways(carrier: CarrierName) -> None:
    [_, _, message, _] = sent(CallPlan({"inbound": bytes(160)}, carrier=carrier))
    random = Random(1)  # noqa: S311 - no secret
    details = set()
    for _ in range(100):
        with pytest.raises(UnreadableMessage) as caught:
            DIALECTS[carrier].parse(corrupted(message.text, random))
        details.add((caught.value.reason, caught.value.detail))

    assert {"not_json", "not_as_documented"} == {reason for reason, _ in details}
    assert len(details) >= 5


def test_sequel_follows_the_recording_until_its_end_or_until_the_carrier_hangs_up() -> None:
    recorded: dict[Track, list[bytes]] = {"inbound": [b"a" * 160, b"b" * 160]}
    held = Carrier(CallPlan(recorded, sequel=Sequel({"inbound": [b"s" * 160]}, 0.06)))
    looped = Carrier(CallPlan(recorded, sequel=Sequel(recorded, None)))

    assert audible(held.messages()) == "absss"
    assert held.frame_count == 5
    assert looped.frame_count is None
    messages = looped.messages()
    assert audible(islice(messages, 9)) == "abababa"
    looped.hang_up()
    assert [type(message.event) for message in messages] == [Stop]


def audible(messages: Iterable[Message]) -> str:
    media = [message.event for message in messages if isinstance(message.event, Media)]
    assert [each.timestamp for each in media] == [20 * index for index in range(len(media))]
    return "".join(chr(each.audio[0]) for each in media)
