"""The messages of a session."""

from typing import Any

from google.cloud.dialogflow_v2.types import StreamingDetectIntentResponse

from callstream.adapters.google.session_messages import SessionMessages
from callstream.dialogues.virtual_agent import DialogueEnd, DialogueTerms, Reply, Sentiment

NAME = "projects/p/locations/global/agent/sessions/s"


def messages(event: str | None = None, **terms: Any) -> SessionMessages:
    return SessionMessages(NAME, DialogueTerms(**terms), "de-DE", event)


def response(**fields: object) -> StreamingDetectIntentResponse:
    return StreamingDetectIntentResponse(fields)


def test_stream_begins_with_how_to_hear_or_with_an_event() -> None:
    hearing, telling = messages(analyzes_sentiment=True).first(), messages("WELCOME").first()
    sentiment = hearing.query_params.sentiment_analysis_request_config

    assert hearing.session == telling.session == NAME
    assert hearing.query_input.audio_config.language_code == "de-DE"
    assert hearing.query_input.audio_config.single_utterance
    assert hearing.output_audio_config == telling.output_audio_config
    assert hearing.output_audio_config.sample_rate_hertz == 8000
    assert sentiment.analyze_query_text_sentiment
    assert telling.query_input.event.name == "WELCOME"
    assert telling.query_input.event.language_code == "de-DE"


def test_keys_are_text() -> None:
    text = messages().keys("12#", are_wanted=True).query_input.text

    assert (text.text, text.language_code) == ("12#", "de-DE")


def test_reply_waits_for_its_audio() -> None:
    turn = messages(analyzes_sentiment=True)
    result = {
        "fulfillment_text": "Tschüss.",
        "intent": {"name": "i/1", "display_name": "bye", "end_interaction": True},
        "intent_detection_confidence": 0.8,
        "parameters": {"when": "now"},
        "sentiment_analysis_result": {"query_text_sentiment": {"score": 0.5, "magnitude": 0.5}},
    }

    assert turn.read(response(query_result=result)) == []
    assert turn.is_answered
    assert turn.read(response(output_audio=b"tone")) == [
        Reply(
            b"tone",
            text="Tschüss.",
            intent="bye",
            match_confidence=0.8,
            parameters={"when": "now"},
            sentiment=Sentiment(0.5, 0.5),
            end=DialogueEnd("end_interaction"),
        )
    ]
    assert turn.rest() == []


def test_reply_without_audio_comes_when_nothing_follows_and_an_empty_one_never() -> None:
    silent, empty = messages("WELCOME"), messages()
    texts = [{"text": {"text": ["Hallo", "du."]}}]

    assert silent.read(response(query_result={"fulfillment_messages": texts})) == []
    assert silent.rest() == [Reply(b"", text="Hallo du.", event="WELCOME")]
    assert empty.read(response(query_result={"query_text": "hm"})) == []
    assert empty.rest() == []
    assert empty.is_answered
