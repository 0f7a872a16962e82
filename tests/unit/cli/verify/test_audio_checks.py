"""Checks of audio: each fails when what it checks is broken."""

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from callstream.console.views import StreamView
from callstream.dialects.events import Media, Start, Stop
from callstream.frames.records import Disconnected, RecordEvent, Rejected
from callstream_cli.verify.audio_checks import (
    call_finding,
    counters_finding,
    fork_delays,
    fork_finding,
    joined,
    returned_finding,
)
from callstream_cli.verify.forks import Posted, returned_delays
from tests.unit.cli.verify.scenes import FORK_MS, FRAMES, JOINED, SENT_MS, Scene

type Break = Callable[[list[RecordEvent]], list[RecordEvent]]


def _without(kind: type) -> Break:
    def change(events: list[RecordEvent]) -> list[RecordEvent]:
        events.remove(next(event for event in events if isinstance(event, kind)))
        return events

    return change


def _louder(events: list[RecordEvent]) -> list[RecordEvent]:
    *_, frame = (event for event in events if isinstance(event, Media))
    place = events.index(frame)
    return [*events[:place], replace(frame, audio=b"?" * len(frame.audio)), *events[place + 1 :]]


def _swapped(events: list[RecordEvent]) -> list[RecordEvent]:
    """The audio of two frames, as if their numbers had been mixed up."""
    one, _, two = [event for event in events if isinstance(event, Media)][-3:]
    swap = {
        one.sequence: replace(one, audio=two.audio),
        two.sequence: replace(two, audio=one.audio),
    }
    return [swap.get(getattr(event, "sequence", 0), event) for event in events]


def _twice(events: list[RecordEvent]) -> list[RecordEvent]:
    frame = next(event for event in events if isinstance(event, Media))
    return [*events, replace(frame, audio=b"!")]


BROKEN: list[tuple[Break, str]] = [
    (_without(Media), "1 sequence numbers are missing"),
    (_louder, "audio is not the"),
    (_swapped, "audio is not the"),
    (_twice, "1 repeated records differ from the first"),
    (lambda events: [*events, Rejected("not_json", "cut", 1, b"{")], "1 messages were rejected"),
    (_without(Stop), "stop"),
]


def test_good_call_passes_in_any_order_of_arrival() -> None:
    scene = Scene()
    finding = call_finding("call", scene.placed, scene.landed(reversed(scene.events)))

    assert finding.outcome == "passed", finding.text
    assert finding.text.startswith(f"{FRAMES} inbound and {FRAMES} outbound frames, bit for bit")


@pytest.mark.parametrize(("change", "problem"), BROKEN)
def test_broken_records_of_a_call_fail_the_check(change: Break, problem: str) -> None:
    scene = Scene()
    finding = call_finding("call", scene.placed, scene.landed(change(scene.events)))

    assert finding.outcome == "failed"
    assert problem in finding.text


def test_call_fails_the_check_for_what_it_met() -> None:
    def text(scene: Scene, **changes: Any) -> str:
        finding = call_finding("call", scene.of_report(**changes), scene.landed())
        assert finding.outcome == "failed"
        return finding.text

    assert "the gateway has hung up" in text(Scene(), error="the gateway has hung up")
    assert "2 messages came that are not the carrier's" in text(Scene(), unreadable=2)
    other = Scene()
    other.dialect = "telnyx"
    assert "the dialect is taken for telnyx" in text(other)
    endless = Scene()
    endless.events = _without(Disconnected)(endless.events)
    assert "the end of the connection is not on the stream" in text(endless)
    assert call_finding("call", Scene().placed, None).outcome == "failed"
    unread = Scene()
    landed = unread.landed()
    landed.unreadable = 3
    assert "3 records" in call_finding("call", unread.placed, landed).text


def test_place_of_a_fork_is_found_by_its_end() -> None:
    sent = bytes(160) + b"\1" * 160 + b"\2" * 160

    assert joined(sent, sent) == 0
    assert joined(sent[160:], sent) == 1
    assert joined(sent[:160], sent) is None
    assert joined(b"", sent) is None


def test_good_fork_passes_and_its_delays_are_those_of_its_frames() -> None:
    scene = Scene("telnyx")
    fork = scene.landed(scene.forked(), later=FORK_MS)
    finding = fork_finding("fork", "telnyx", scene.placed.report, fork)

    assert finding.outcome == "passed", finding.text
    assert finding.figures["begins_with_frame"] == {"inbound": JOINED, "outbound": JOINED}
    delays = fork_delays(scene.placed.report, scene.landed(), fork)
    assert delays == [FORK_MS] * 2 * (FRAMES - JOINED)


@pytest.mark.parametrize(("change", "problem"), BROKEN)
def test_broken_records_of_a_fork_fail_the_check(change: Break, problem: str) -> None:
    scene = Scene("telnyx")
    fork = scene.landed(change(scene.forked()))
    finding = fork_finding("fork", "telnyx", scene.placed.report, fork)

    assert finding.outcome == "failed"
    assert problem in finding.text


def test_fork_that_does_not_come_fails_the_check() -> None:
    report = Scene().placed.report

    assert fork_finding("fork", "twilio", report, None).text == "no fork has come"
    assert fork_finding("fork", "twilio", report, None, "HTTP 403").text == "HTTP 403"
    scene = Scene("telnyx")
    silent = [event for event in scene.forked() if not isinstance(event, Media)]
    finding = fork_finding("fork", "telnyx", scene.placed.report, scene.landed(silent))
    assert "no inbound audio has come; no outbound audio has come" in finding.text
    start = [event for event in scene.forked() if isinstance(event, Start)]
    assert start
    wrong = fork_finding("fork", "twilio", scene.placed.report, scene.landed(scene.forked()))
    assert "the dialect is taken for telnyx" in wrong.text


def test_audio_back_must_be_what_was_sent() -> None:
    posted = [Posted(b"a" * 320, 1.0), Posted(b"b" * 320, 1.1)]
    whole = b"a" * 320 + b"b" * 320
    taken = [(1_020, whole[:160]), (1_030, whole[160:480]), (1_150, whole[480:])]

    assert returned_finding("back", posted, taken, whole).outcome == "passed"
    assert returned_delays(posted, taken) == pytest.approx([20, 30, -70, 50])
    for broken in (
        returned_finding("back", posted, taken, whole[:-1]),
        returned_finding("back", posted, taken[:-1], whole),
        returned_finding("back", [], [], b""),
    ):
        assert broken.outcome == "failed"


def _stream(scene: Scene, **changes: Any) -> StreamView:
    counters = {
        "frames": dict(scene.placed.report.frames),
        "rejected": {},
        "closed_at": datetime.now().astimezone(),
        **dict.fromkeys(("late", "gaps", "strays", "restarts"), 0),
    }
    return cast("StreamView", SimpleNamespace(**counters | changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"late": 2}, "2 messages came too late"),
        ({"gaps": 1}, "1 gaps"),
        ({"strays": 1}, "1 messages with numbers that fit nowhere"),
        ({"restarts": 1}, "1 numberings"),
        ({"rejected": {"not_json": 3}}, "3 messages were rejected"),
        ({"closed_at": None}, "1 streams have not ended"),
        ({"frames": {"inbound": 1}}, "were sent"),
    ],
)
def test_wrong_counters_fail_the_check(changes: dict[str, Any], problem: str) -> None:
    scene = Scene()
    good, bad = _stream(scene), _stream(scene, **changes)

    assert counters_finding([(scene.placed.report, good)], [good]).outcome == "passed"
    finding = counters_finding([(scene.placed.report, bad)], [bad])
    assert finding.outcome == "failed"
    assert problem in finding.text


def test_times_of_a_call_are_those_of_its_records() -> None:
    scene = Scene()
    landed = scene.landed()

    assert landed.in_gateway == [5] * 2 * FRAMES
    first = scene.frames[0]
    assert landed.arrived_at[first.sequence] == SENT_MS + 7
    assert landed.received_at[first.sequence] == SENT_MS + 2
