"""Copies of records: they cost nobody anything."""

import logging
from threading import Event

import pytest

from callstream.errors import Unavailable
from callstream.frames import record_copies, records
from callstream.frames.record_copies import RecordCopies
from callstream.frames.records import Record, Returned

PATIENCE = 30


def answer(number: int) -> Record:
    return Record("s1", "acme", "inbox", None, 0, Returned("r1", number, b"a"))


class Frames:
    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.is_down = False
        self.goes_on = Event()
        self.goes_on.set()

    def put(self, partition_key: str, data: bytes) -> None:
        self.goes_on.wait(PATIENCE)
        if self.is_down:
            raise Unavailable("kinesis", "Throttled")
        assert partition_key == "s1"
        event = records.decode(data).event
        assert isinstance(event, Returned)
        self.numbers.append(event.number)


def test_record_copies_are_put_in_order_with_the_stream_as_key() -> None:
    frames = Frames()
    answers = RecordCopies("answers", lambda: frames, lambda: 0.0)

    for number in range(20):
        answers.put(answer(number))
    answers.flush(PATIENCE)

    assert frames.numbers == [*range(20)]


def test_refused_record_copies_are_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames = Frames()
    frames.is_down = True
    answers = RecordCopies("answers", lambda: frames, lambda: 0.0)

    with caplog.at_level(logging.WARNING):
        for number in range(5):
            answers.put(answer(number))
        answers.flush(PATIENCE)

    assert answers.lost == 5
    [line] = caplog.messages
    assert line.startswith("answers are not on the frames stream: ")
    assert "Throttled" in line
    frames.is_down = False
    answers.put(answer(7))
    answers.flush(PATIENCE)
    assert frames.numbers == [7]


def test_record_copies_that_wait_are_bounded() -> None:
    frames = Frames()
    frames.goes_on.clear()
    answers = RecordCopies("answers", lambda: frames, lambda: 0.0)

    for number in range(record_copies._MOST_WAITING + 10):
        answers.put(answer(number))

    # The thread has taken one, or none yet.
    assert answers.lost in {9, 10}
    frames.goes_on.set()
