"""Records as messages to a subscriber."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import Media
from callstream.errors import UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Record
from callstream.relays.batches import batches, read_batch


def record(sequence: int, audio: bytes = b"\x7f" * 160) -> Record:
    media = Media(sequence, "inbound", sequence, sequence * 20, audio)
    return Record("s1", "acme", "genagent", "twilio", 0, media)


@given(st.lists(st.integers(0, 100_000), max_size=30))
def test_batches_hold_every_record_in_order_and_fit_into_a_message(sizes: list[int]) -> None:
    sent = [record(number, bytes(size)) for number, size in enumerate(sizes)]
    messages = batches(map(records.encode, sent))

    assert [found for message in messages for found in read_batch(message)] == sent
    assert all(len(message) <= 32 * 1024 for message in messages if len(read_batch(message)) > 1)


def test_read_batch_leaves_out_what_is_not_a_record() -> None:
    [message] = batches([b"?", records.encode(record(1)), b""])

    assert read_batch(message) == [record(1)]


@pytest.mark.parametrize("message", ["*", "", "AAAA"])
def test_read_batch_refuses_what_is_not_a_batch(message: str) -> None:
    with pytest.raises(UnreadableMessage):
        read_batch(message)
