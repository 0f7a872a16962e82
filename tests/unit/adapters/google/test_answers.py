"""What Google answers."""

from datetime import timedelta

import pytest
from google.cloud.dialogflow_v2.types import Intent, ResponseMessage, StreamingRecognitionResult

from callstream.adapters.google.answers import end_of, recognised
from callstream.dialogues.virtual_agent import (
    DialogueEnd,
    Heard,
    SpeechBegan,
    TurnEvent,
    UtteranceEnded,
)

KINDS = StreamingRecognitionResult.MessageType
END = ResponseMessage(end_interaction={})
HANDOFF = ResponseMessage(
    live_agent_handoff={
        "metadata": {"queue": "bills", "vip": True, "tries": 2, "tags": ["a", None]}
    }
)
TO_SIP = ResponseMessage(telephony_transfer_call={"sip_uri": "sip:desk@example.com"})


@pytest.mark.parametrize(
    ("result", "events"),
    [
        ({"message_type": KINDS.SPEECH_ACTIVITY_BEGIN}, [SpeechBegan()]),
        ({"message_type": KINDS.SPEECH_ACTIVITY_END}, []),
        ({"message_type": KINDS.END_OF_SINGLE_UTTERANCE}, [UtteranceEnded()]),
        ({"message_type": KINDS.DTMF_DIGITS}, []),
        ({"message_type": KINDS.TRANSCRIPT}, []),
        ({}, []),
        ({"message_type": KINDS.TRANSCRIPT, "transcript": "hel"}, [Heard("hel", is_final=False)]),
        (
            {
                "message_type": KINDS.TRANSCRIPT,
                "transcript": "hello",
                "is_final": True,
                "confidence": 0.9,
                "speech_end_offset": timedelta(seconds=1.25),
            },
            [Heard("hello", is_final=True, confidence=0.9, end_ms=1250)],
        ),
    ],
)
def test_result_of_the_recogniser_is_an_event_of_the_turn(
    result: dict[str, object], events: list[TurnEvent]
) -> None:
    assert recognised(StreamingRecognitionResult(result)) == events


@pytest.mark.parametrize(
    ("messages", "intent", "end"),
    [
        ([], Intent(), None),
        ([ResponseMessage(text={"text": ["bye"]})], Intent(), None),
        ([END], Intent(), DialogueEnd("end_interaction")),
        (
            [END, HANDOFF],
            Intent(live_agent_handoff=True),
            DialogueEnd(
                "live_agent_handoff",
                {"queue": "bills", "vip": True, "tries": 2, "tags": ["a", None]},
            ),
        ),
        ([HANDOFF, TO_SIP, END], Intent(), DialogueEnd("transfer", {}, "sip:desk@example.com")),
        ([], Intent(end_interaction=True), DialogueEnd("end_interaction")),
        (
            [],
            Intent(end_interaction=True, live_agent_handoff=True),
            DialogueEnd("live_agent_handoff"),
        ),
    ],
)
def test_end_that_asks_for_most_is_the_end(
    messages: list[ResponseMessage], intent: Intent, end: DialogueEnd | None
) -> None:
    assert end_of(messages, intent) == end
