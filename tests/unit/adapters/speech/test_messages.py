"""The messages between the engine and its workers."""

from io import BytesIO

import pytest

from callstream.adapters.speech import messages
from callstream.adapters.speech.channel import Spoken


def test_message_is_read_as_it_was_written() -> None:
    packed = messages.message(messages.AUDIO, b"ab") + messages.message(messages.FINISH)
    source = BytesIO(packed)

    assert messages.header(packed[: messages.HEADER_BYTES]) == (messages.AUDIO, 2)
    assert [messages.read(source) for _ in range(3)] == [
        (messages.AUDIO, b"ab"),
        (messages.FINISH, b""),
        None,
    ]


@pytest.mark.parametrize("length", [0, 1, 4, 5, 6])
def test_message_that_is_broken_off_is_the_end(length: int) -> None:
    assert messages.read(BytesIO(messages.message(messages.AUDIO, b"ab")[:length])) is None


def test_times_and_text_come_back_as_they_were() -> None:
    day = 86_400_000
    spoken = Spoken(day, day + 1, "caf\N{LATIN SMALL LETTER E WITH ACUTE}")

    assert messages.unpack_time(messages.pack_time(day)) == day
    assert messages.unpack_spoken(messages.pack_spoken(spoken)) == spoken
