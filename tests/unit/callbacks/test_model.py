"""Callbacks as they are queued."""

from uuid import UUID

import msgspec
import pytest

from callstream.callbacks.model import (
    decode,
    encode,
)
from tests.unit.callbacks.scenes import signalwire_callback, telnyx_callback


def test_callback_id_is_the_same_for_the_same_event_of_a_relay() -> None:
    started, again = telnyx_callback(), telnyx_callback()

    assert started.callback_id == again.callback_id != telnyx_callback("stopped").callback_id
    assert str(UUID(started.callback_id)) == started.callback_id


def test_callback_is_decoded_as_it_was_encoded() -> None:
    callback = signalwire_callback("failed", "refused")

    assert decode(encode(callback)) == callback


def test_repr_of_a_callback_shows_no_address() -> None:
    assert "example.com" not in repr(signalwire_callback())


def test_decoding_refuses_other_texts() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode('{"callback_id": "1"}')
