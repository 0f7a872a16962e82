"""Callbacks as they are queued."""

from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from callstream.callbacks.model import (
    decode,
    encode,
)
from tests.unit.callbacks.scenes import (
    REPORTS,
    report_callback,
    signalwire_callback,
    telnyx_callback,
)


def test_callback_id_is_the_same_for_the_same_event_of_a_relay() -> None:
    started, again = telnyx_callback(), telnyx_callback()

    assert started.callback_id == again.callback_id != telnyx_callback("stopped").callback_id
    assert str(UUID(started.callback_id)) == started.callback_id


def test_callback_is_decoded_as_it_was_encoded() -> None:
    callback = signalwire_callback("failed", "refused")

    assert decode(encode(callback)) == callback


def test_repr_of_a_callback_shows_no_address() -> None:
    assert "example.com" not in repr(signalwire_callback())


def test_repr_of_a_report_shows_nothing_that_was_said() -> None:
    for event in REPORTS:
        for text in ("4242", "Which", "block", "lost", "555"):
            assert text not in repr(report_callback(event))


def test_callbacks_of_a_relay_are_sorted_in_the_order_of_their_events() -> None:
    """Even if all happened in one millisecond: an agent replies more than once."""
    reports = [
        report_callback(event, replace(REPORTS[event], number=number))
        for number, event in enumerate(["replied", "heard", "replied", "ended"], 1)
    ]
    in_order = [telnyx_callback(), *reports, telnyx_callback("stopped")]

    mixed = in_order[::-1]
    assert sorted(mixed, key=lambda callback: callback.place) == in_order


def test_decoding_refuses_other_texts() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode('{"callback_id": "1"}')
