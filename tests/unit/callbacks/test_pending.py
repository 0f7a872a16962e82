"""The callbacks that wait for another attempt, as the operator sees them."""

from datetime import timedelta

from callstream.callbacks.pending import PendingCallbacks
from tests.unit.callbacks.scenes import NOW, Memory, signalwire_callback, telnyx_callback


def test_pending_callbacks_are_listed_in_the_order_of_their_events() -> None:
    pending = PendingCallbacks(Memory())  # type: ignore[arg-type]
    later = telnyx_callback(at=NOW + timedelta(seconds=1))
    earlier = signalwire_callback("failed", "refused")
    for callback in (later, earlier):
        pending.note(callback, 2, "status_503", NOW, timedelta(seconds=10))

    assert [each.callback_id for each in pending.all()] == [
        earlier.callback_id,
        later.callback_id,
    ]


def test_pending_callback_is_forgotten_more_than_once() -> None:
    pending = PendingCallbacks(Memory())  # type: ignore[arg-type]
    pending.note(telnyx_callback(), 1, "timeout", NOW, timedelta(seconds=10))

    pending.forget(telnyx_callback().callback_id)
    pending.forget(telnyx_callback().callback_id)
    assert pending.all() == []
