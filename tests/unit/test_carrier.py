"""What the simulated carrier sends: Twilio's messages, and faults as ordered."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects import twilio
from callstream.dialects.events import (
    Clear,
    Connected,
    Dtmf,
    Media,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
)
from callstream.errors import UnreadableMessage
from callstream.reorder import ReorderBuffer, Window
from callstream_cli.audio import Tracks
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Faults, Message, corrupted
from callstream_cli.carrier.playback import Playback

STEREO: Tracks = {"inbound": bytes(range(200)) * 4, "outbound": bytes(reversed(range(200))) * 4}
FRAMES = 5


def sent(plan: CallPlan) -> list[Message]:
    return [message for message in Carrier(plan).messages() if message.fate is not Fate.DROPPED]


def sequence_of(message: Message) -> int:
    assert not isinstance(message.event, Connected)
    assert message.event.sequence is not None
    return message.event.sequence


def test_a_call_is_what_twilio_documents() -> None:
    carrier = Carrier(CallPlan(STEREO, digits="4", parameters={"tenant": "acme"}))
    messages = [json.loads(message.text) for message in carrier.messages()]
    who = carrier.identity

    assert messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert messages[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": who.stream_sid,
        "start": {
            "streamSid": who.stream_sid,
            "accountSid": who.account_sid,
            "callSid": who.call_sid,
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
        "streamSid": who.stream_sid,
        "sequenceNumber": "12",
        "dtmf": {"track": "inbound_track", "digit": "4"},
    }
    assert messages[-1] == {
        "event": "stop",
        "sequenceNumber": "13",
        "streamSid": who.stream_sid,
        "stop": {"accountSid": who.account_sid, "callSid": who.call_sid},
    }
    assert [message["sequenceNumber"] for message in messages[1:]] == [
        str(number) for number in range(1, 14)
    ]
    assert carrier.frame_count == len(media)


def test_ids_have_twilios_form() -> None:
    who = Carrier(CallPlan(STEREO)).identity

    for sid, prefix in ((who.stream_sid, "MZ"), (who.call_sid, "CA"), (who.account_sid, "AC")):
        assert sid[:2] == prefix
        assert len(bytes.fromhex(sid[2:])) == 16


def test_a_frame_leaves_when_it_has_been_spoken_and_a_digit_when_it_is_pressed() -> None:
    messages = sent(CallPlan({"inbound": bytes(160 * 60)}, digits="12"))

    assert [m.at for m in messages if isinstance(m.event, Media)] == [
        pytest.approx((index + 1) * 0.02) for index in range(60)
    ]
    assert [m.at for m in messages if isinstance(m.event, Dtmf)] == [0.5, 1.0]
    assert [m.at for m in messages] == sorted(m.at for m in messages)


def test_the_shorter_track_ends_earlier() -> None:
    messages = sent(CallPlan({"inbound": bytes(480), "outbound": bytes(160)}))

    assert Counter(m.event.track for m in messages if isinstance(m.event, Media)) == {
        "inbound": 3,
        "outbound": 1,
    }


def test_a_mark_echo_takes_the_next_number() -> None:
    carrier = Carrier(CallPlan({"inbound": bytes(320)}))
    messages = carrier.messages()
    taken = [next(messages) for _ in range(3)]

    mark = json.loads(carrier.mark("greeting"))
    rest = list(messages)

    assert mark == {
        "event": "mark",
        "sequenceNumber": "3",
        "streamSid": carrier.identity.stream_sid,
        "mark": {"name": "greeting"},
    }
    assert [sequence_of(m) for m in (*taken[1:], *rest)] == [1, 2, 4, 5]


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
    digits=st.text("0123456789*#", max_size=3),
    seed=st.integers(0, 2**32),
)


@given(plans)
def test_a_seed_repeats_everything(plan: CallPlan) -> None:
    assert list(Carrier(plan).messages()) == list(Carrier(plan).messages())


@given(plans)
def test_every_frame_has_one_fate_and_only_readable_ones_can_be_read(plan: CallPlan) -> None:
    carrier = Carrier(plan)
    fates: dict[int, list[Fate]] = {}
    for message in carrier.messages():
        if isinstance(message.event, Media):
            fates.setdefault(sequence_of(message), []).append(message.fate)
        if message.fate is Fate.CORRUPTED:
            with pytest.raises(UnreadableMessage):
                twilio.parse(message.text)
        else:
            assert twilio.parse(message.text) == message.event

    assert len(fates) == carrier.frame_count
    allowed = [[Fate.SENT], [Fate.DROPPED], [Fate.CORRUPTED], [Fate.DUPLICATE, Fate.SENT]]
    assert all(sorted(found) in allowed for found in fates.values())


@given(plans)
def test_time_never_goes_back(plan: CallPlan) -> None:
    times = [message.at for message in Carrier(plan).messages()]

    assert times == sorted(times)


@given(plans)
def test_only_media_is_shuffled_unless_the_rest_is_asked_for(plan: CallPlan) -> None:
    kept = replace(plan, faults=replace(plan.faults, shuffle_control=False))
    events = [message.event for message in sent(kept)]

    assert isinstance(events[0], Connected)
    assert isinstance(events[1], Start)
    assert isinstance(events[-1], Stop)


@given(plans)
def test_shuffling_keeps_its_window_so_that_a_reorder_buffer_undoes_it(plan: CallPlan) -> None:
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


def test_a_reorder_buffer_of_the_window_restores_a_shuffled_call() -> None:
    plan = CallPlan({"inbound": bytes(160 * 500)}, Faults(shuffle=25, duplicate=0.1), seed=7)
    buffer = ReorderBuffer[int](Window(messages=25, seconds=1e9), first=1)
    arrivals = [sequence_of(m) for m in sent(plan) if not isinstance(m.event, Connected)]

    released = [out for number in arrivals for out in buffer.push(number, number, now=0.0)]

    assert arrivals != sorted(arrivals)
    assert released == list(range(1, 503))
    assert buffer.counts.repeats == len(arrivals) - 502


def test_messages_are_made_unreadable_in_several_ways() -> None:
    [_, _, message, _] = sent(CallPlan({"inbound": bytes(160)}))
    random = Random(1)  # noqa: S311 - no secret
    details = set()
    for _ in range(100):
        with pytest.raises(UnreadableMessage) as caught:
            twilio.parse(corrupted(message.text, random))
        details.add((caught.value.reason, caught.value.detail))

    assert {"not_json", "not_as_documented"} == {reason for reason, _ in details}
    assert len(details) >= 5


class TestPlayback:
    SECOND = ReturnMedia(bytes(8000))

    def test_a_mark_comes_back_when_the_audio_before_it_has_been_heard(self) -> None:
        playback = Playback()
        playback.take(self.SECOND, now=10.0)
        playback.take(ReturnMark("a"), now=10.0)
        playback.take(self.SECOND, now=10.5)
        playback.take(ReturnMark("b"), now=10.5)

        assert playback.next_mark_at == 11.0
        assert playback.due(now=10.9) == []
        assert playback.due(now=11.0) == ["a"]
        assert playback.due(now=12.0) == ["b"]
        assert playback.next_mark_at is None

    def test_a_mark_with_nothing_before_it_comes_back_at_once(self) -> None:
        playback = Playback()
        playback.take(ReturnMark("a"), now=5.0)

        assert playback.due(now=5.0) == ["a"]

    def test_clear_gives_back_every_mark_and_forgets_the_audio(self) -> None:
        playback = Playback()
        playback.take(self.SECOND, now=0.0)
        playback.take(ReturnMark("a"), now=0.0)
        playback.take(ReturnMark("b"), now=0.0)
        playback.take(Clear(), now=0.25)

        assert playback.due(now=0.25) == ["a", "b"]
        playback.take(ReturnMark("c"), now=0.25)
        assert playback.due(now=0.25) == ["c"]
        assert (playback.marks, playback.clears, len(playback.received)) == (3, 1, 8000)

    @pytest.mark.parametrize(("speed", "seconds"), [(2.0, 0.5), (0.0, 0.0)])
    def test_it_plays_at_the_speed_of_the_call(self, speed: float, seconds: float) -> None:
        playback = Playback(speed)
        playback.take(self.SECOND, now=0.0)
        playback.take(ReturnMark("a"), now=0.0)

        assert playback.next_mark_at == seconds
