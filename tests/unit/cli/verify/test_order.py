"""The order in which frames come."""

from collections.abc import Sequence

from callstream.dialects.events import Media
from callstream.frames.records import Record
from callstream_cli.verify.landings import Landed
from callstream_cli.verify.order import Order, order_finding, order_of, total

IN_ORDER = Order(3, 0, 0, 0.0, 0, 0)


def arrived(frames: Sequence[tuple[int, int]], received: dict[int, int] | None = None) -> Landed:
    """Frames by their numbers and times of arrival in ms, in the order of Kinesis."""
    landed = Landed("s")
    for number, at in frames:
        media = Media(number, "inbound", number, number * 20, b"")
        at_gateway = (received or {}).get(number, number)
        landed.add(Record("s", "t", "genagent", "twilio", at_gateway, media), at)
    return landed


def test_frames_in_order_are_not_overtaken() -> None:
    assert order_of(arrived([(2, 20), (3, 40), (4, 60)])) == IN_ORDER
    assert order_of(Landed("s")) == Order(0, 0, 0, 0.0, 0, 0)


def test_overtaken_frames_are_counted_by_places_and_time() -> None:
    # 2 comes after 3 and 4; 5 is in order.
    order = order_of(arrived([(3, 40), (4, 60), (2, 90), (5, 100)]))

    assert order == Order(4, 1, 2, 50, 0, 0)
    assert order_finding("order", [order]).outcome == "passed"
    assert "1 of 4 frames came after a later frame (by up to 2 places and 50 ms)" in (
        order_finding("order", [order]).text
    )


def test_frame_is_overtaken_whatever_comes_in_between() -> None:
    # 3 comes after 5, although 2 has come right before.
    order = order_of(arrived([(5, 100), (2, 110), (3, 130)]))

    assert (order.overtaken, order.most_places, order.most_ms) == (2, 1, 30)


def test_frame_behind_the_readers_window_is_late() -> None:
    by_time = order_of(arrived([(3, 40), (2, 1_041)]))
    by_places = order_of(arrived([*((number, 40) for number in range(3, 104)), (2, 41)]))

    for late in (by_time, by_places):
        assert late.late == 1
        finding = order_finding("order", [IN_ORDER, late])
        assert finding.outcome == "failed"
        assert "frames came too late to be put in order" in finding.text
    assert order_of(arrived([(3, 40), (2, 1_040)])).late == 0


def test_order_at_api_gateway_is_that_of_its_own_clock() -> None:
    order = order_of(arrived([(2, 20), (3, 40), (4, 60)], {2: 15, 3: 12, 4: 30}))

    assert (order.overtaken, order.overtaken_before) == (0, 1)


def test_streams_are_added_up() -> None:
    assert total([Order(4, 1, 2, 50, 0, 1), Order(2, 1, 1, 70, 1, 0)]) == Order(6, 2, 2, 70, 1, 1)
    assert total([]) == Order(0, 0, 0, 0.0, 0, 0)
