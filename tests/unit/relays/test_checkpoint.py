"""From when on a run may have missed records."""

from dataclasses import replace

import pytest

from callstream.dialects.events import Media
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream.relays.checkpoint import Checkpoint, RecentCheckpoints
from callstream.relays.merger import StreamMerger
from callstream.relays.timings import RelayTimings

TIMINGS = replace(RelayTimings(), delivery=5, farthest_back=120)


def checkpoint(*last_at: float, ended: bool = False) -> Checkpoint:
    """A checkpoint at 1,000 s of a run that had the last records of its streams at `last_at`."""
    merger = StreamMerger()
    for number, at in enumerate(last_at):
        events: list[RecordEvent] = [Media(1, "inbound", 1, 20, b"\x7f")]
        if ended:
            events.append(Disconnected(1005, ""))
        for event in events:
            found = Record(f"s{number}", "acme", "inbox", "twilio", round(at * 1000), event)
            merger.take([found], at)
    merger.take([], 2000)
    streams, sources = merger.snapshot()
    return Checkpoint(streams, sources, b"sink", 1000.0, 7)


@pytest.mark.parametrize(
    ("last_at", "since"),
    [((), 995), ((1000,), 995), ((990, 980), 975), ((990, 100), 880)],
)
def test_records_are_missed_since_the_stream_that_is_farthest_behind(
    last_at: tuple[float, ...], since: float
) -> None:
    assert checkpoint(*last_at).since(TIMINGS) == since


def test_a_stream_that_has_ended_has_missed_nothing() -> None:
    assert checkpoint(990, ended=True).since(TIMINGS) == 995


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    written = checkpoint(990)

    assert Checkpoint.decode(written.encode()) == written


def test_recent_checkpoints_give_the_newest_that_is_settled() -> None:
    settled: set[bytes] = set()
    made = [Checkpoint({}, {}, bytes([number]), number) for number in range(200)]
    recent = RecentCheckpoints(made[0], settled.__contains__)

    assert recent.add(made[1]) is made[0]
    assert recent.add(made[2]) is made[0]
    settled |= {made[1].sink, made[2].sink}
    assert recent.add(made[3]) is made[2]
    settled.clear()
    for each in made[4:]:
        assert recent.add(each) is made[2]
    settled.add(made[150].sink)
    assert recent.add(made[3]) is made[2]  # no longer among the recent
    settled.add(made[190].sink)
    assert recent.add(made[3]) is made[190]
