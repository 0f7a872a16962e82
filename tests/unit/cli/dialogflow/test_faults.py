import grpc
import pytest

from callstream_cli.dialogflow.faults import Fault, Faults
from callstream_cli.dialogflow.refused import Gone, Refused

UNAVAILABLE = Fault(method="AnalyzeContent", status=grpc.StatusCode.UNAVAILABLE)


def test_faults_strike_as_many_calls_of_their_method_as_they_are_for() -> None:
    faults = Faults()
    faults.add(UNAVAILABLE, 2)
    faults.add(Fault(reply="none"), None)

    for method, fails in [
        ("Other", False),
        *[("AnalyzeContent", True)] * 2,
        ("AnalyzeContent", False),
    ]:
        call = faults.take(method)
        assert call.reply == "none"
        if fails:
            with pytest.raises(Refused, match="UNAVAILABLE"):
                call.reach("start")
        else:
            call.reach("start")

    faults.clear()
    assert faults.take("AnalyzeContent").reply is None


def test_fault_counts_the_calls_that_get_to_its_place() -> None:
    faults = Faults()
    faults.add(Fault(status=grpc.StatusCode.ABORTED, at="utterance"), 1)
    # Both may fail when they begin.
    first, second = faults.take("CreateConversation"), faults.take("StreamingAnalyzeContent")
    first.reach("start")
    faults.take("StreamingAnalyzeContent").reach("start")

    with pytest.raises(Refused, match="ABORTED"):
        second.reach("utterance")
    for late in (first, faults.take("StreamingAnalyzeContent")):
        late.reach("utterance")


def test_slowness_ends_with_the_call() -> None:
    faults = Faults()
    faults.add(Fault(slow_s=1000.0, at="reply"), 1)
    call = faults.take("AnalyzeContent")
    call.reach("start")
    call.over.set()
    with pytest.raises(Gone):
        call.reach("reply")
