"""What is counted of a stream."""

from callstream.dialects.events import Media, Stop
from callstream.frames.records import Rejected
from callstream.frames.stream_counts import StreamCounts
from callstream.reordering.history import ReorderCounts


def test_released_events_are_counted_by_track_bytes_and_reason() -> None:
    counts = StreamCounts()
    for event in (
        Media(2, "inbound", 1, 0, b"abc"),
        Media(3, "outbound", 1, 0, b"d"),
        Media(4, "inbound", 2, 20, b""),
        Rejected("not_json", "", 1, b"x"),
        Stop(5),
    ):
        counts.count_released(event)

    assert counts == StreamCounts(
        released=5,
        frames={"inbound": 2, "outbound": 1},
        audio_bytes=4,
        rejected={"not_json": 1},
    )


def test_counts_of_a_buffer_are_added_to_a_copy() -> None:
    counts = StreamCounts(released=7, repeats=1, frames={"inbound": 7})
    buffer = ReorderCounts(released=99, repeats=2, gaps=3, skipped=4, late=5, strays=6, restarts=1)
    added = counts.with_those_of(buffer)
    added.frames["inbound"] = 0

    assert counts == StreamCounts(released=7, repeats=1, frames={"inbound": 7})
    assert (added.released, added.repeats, added.gaps, added.skipped) == (7, 3, 3, 4)
    assert (added.late, added.strays, added.restarts) == (5, 6, 1)


def test_times_of_receipt_are_the_earliest_and_the_latest() -> None:
    counts = StreamCounts()
    for received_at in (20, 10, 30):
        counts.count_receipt(received_at)

    assert (counts.first_at, counts.last_at) == (10, 30)
