"""How often a record is put where the stream throttles, and for how long that may take."""

from itertools import pairwise

import pytest

from callstream.adapters.aws.patient_sink import PAUSES, PatientSink
from callstream.errors import Throttled, Unavailable


class Sink:
    """A sink that refuses first."""

    def __init__(self, *refusals: Unavailable) -> None:
        self.refusals = list(refusals)
        self.tries = 0
        self.records: list[tuple[str, bytes]] = []

    def put(self, partition_key: str, data: bytes) -> None:
        self.tries += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self.records.append((partition_key, data))


THROTTLED = Throttled("kinesis", "ProvisionedThroughputExceededException")


@pytest.mark.parametrize("refused", range(4))
def test_sink_puts_a_throttled_record_again(refused: int) -> None:
    sink, slept = Sink(*[THROTTLED] * refused), list[float]()
    PatientSink(sink, slept.append).put("stream-1", b"data")

    assert sink.records == [("stream-1", b"data")]
    assert len(slept) == refused


def test_sink_gives_up_within_300_ms() -> None:
    sink, slept = Sink(*[THROTTLED] * 10), list[float]()
    with pytest.raises(Throttled):
        PatientSink(sink, slept.append).put("stream-1", b"data")

    assert sink.tries == len(PAUSES) + 1
    assert sum(slept) <= sum(PAUSES) <= 0.3


def test_sink_backs_off_with_jitter() -> None:
    slept = list[float]()
    for _ in range(50):
        with pytest.raises(Throttled):
            PatientSink(Sink(*[THROTTLED] * 10), slept.append).put("stream-1", b"data")

    rounds = [slept[index :: len(PAUSES)] for index in range(len(PAUSES))]
    assert all(len(set(pauses)) > 40 for pauses in rounds)
    assert all(max(before) <= min(after) for before, after in pairwise(rounds))


def test_sink_does_not_try_again_in_an_outage() -> None:
    sink, slept = Sink(THROTTLED, Unavailable("kinesis", "InternalFailure")), list[float]()
    with pytest.raises(Unavailable, match="InternalFailure"):
        PatientSink(sink, slept.append).put("stream-1", b"data")

    assert sink.tries == 2
