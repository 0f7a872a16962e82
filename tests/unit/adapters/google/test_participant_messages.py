"""The messages of a participant."""

from typing import Any

import pytest
from google.cloud.dialogflow_v2.types import (
    AnalyzeContentResponse,
    AudioEncoding,
    AutomatedAgentReply,
    ConversationProfile,
    StreamingAnalyzeContentResponse,
    SynthesizeSpeechConfig,
)

from callstream.adapters.google.participant_messages import ParticipantMessages, SpeechSettings
from callstream.dialogues.virtual_agent import (
    AgentFailed,
    DialogueEnd,
    DialogueTerms,
    Reply,
    Sentiment,
)

NAME = "projects/p/locations/global/conversations/c/participants/x"
TYPES = AutomatedAgentReply.AutomatedAgentReplyType
GERMAN = SpeechSettings("de-DE", SynthesizeSpeechConfig(speaking_rate=1.5))


def messages(**terms: Any) -> ParticipantMessages:
    return ParticipantMessages(NAME, DialogueTerms(**terms), GERMAN)


def response(**fields: object) -> StreamingAnalyzeContentResponse:
    return StreamingAnalyzeContentResponse(fields)


@pytest.mark.parametrize("is_wanted", [False, True])
def test_stream_begins_with_how_to_hear_and_how_to_speak(*, is_wanted: bool) -> None:
    first = messages(analyzes_sentiment=is_wanted, partial_replies=is_wanted).first()
    audio, sentiment = first.audio_config, first.query_params.sentiment_analysis_request_config

    assert first.participant == NAME
    assert audio.audio_encoding == AudioEncoding.AUDIO_ENCODING_LINEAR_16
    assert (audio.sample_rate_hertz, audio.language_code) == (8000, "de-DE")
    assert audio.single_utterance
    assert audio.enable_voice_activity_events
    assert audio.disable_no_speech_recognized_event
    assert first.reply_audio_config.sample_rate_hertz == 8000
    assert first.reply_audio_config.synthesize_speech_config.speaking_rate == 1.5
    assert first.enable_partial_automated_agent_reply == is_wanted
    assert sentiment.analyze_query_text_sentiment == is_wanted
    assert not first.input_audio


def test_speech_settings_are_those_of_the_profile() -> None:
    profile = ConversationProfile(language_code="fr-FR", tts_config={"pitch": 2.0})

    assert SpeechSettings.of(profile).language == "fr-FR"
    assert SpeechSettings.of(profile).voice == SynthesizeSpeechConfig(pitch=2.0)
    assert SpeechSettings.of(ConversationProfile()) == SpeechSettings("en-US")


def test_event_has_an_id_and_its_reply_has_the_event() -> None:
    of_event = messages()
    request = of_event.event("WELCOME", "id-1")
    (reply,) = of_event.replies(AnalyzeContentResponse(reply_text="Hallo."))

    assert request.participant == NAME
    assert (request.request_id, request.event_input.name) == ("id-1", "WELCOME")
    assert request.event_input.language_code == "de-DE"
    assert request.reply_audio_config.sample_rate_hertz == 8000
    assert reply == Reply(b"", text="Hallo.", event="WELCOME")


def test_keys_that_are_none_are_left_out() -> None:
    keys = messages().keys("1209ABCD*#x,", are_wanted=True)

    assert [*keys.input_dtmf.dtmf_events] == [1, 2, 10, 9, 11, 12, 13, 14, 15, 16]
    assert messages().keys("12", are_wanted=False).input_text == "12"


def test_end_and_sentiment_that_come_early_are_part_of_the_last_reply() -> None:
    turn = messages(analyzes_sentiment=True)
    rated = {"sentiment_analysis": {"query_text_sentiment": {"score": -0.4, "magnitude": 0.7}}}
    partial = {
        "automated_agent_reply_type": TYPES.PARTIAL,
        "response_messages": [{"text": {"text": ["One", "moment."]}}, {"end_interaction": {}}],
        "allow_cancellation": True,
    }
    events = [
        *turn.read(response(message=rated)),
        *turn.read(response(automated_agent_reply=partial)),
        *turn.read(response(reply_text="Bye.", automated_agent_reply={"intent": "intents/bye"})),
        *turn.rest(),
    ]

    feeling = Sentiment(-0.4, 0.7)
    assert events == [
        Reply(b"", text="One moment.", is_partial=True, sentiment=feeling),
        Reply(
            b"",
            text="Bye.",
            intent="intents/bye",
            sentiment=feeling,
            end=DialogueEnd("end_interaction"),
        ),
    ]
    assert turn.is_answered


def test_end_in_a_partial_reply_counts_even_if_nothing_follows() -> None:
    turn = messages()
    partial = {
        "automated_agent_reply_type": TYPES.PARTIAL,
        "response_messages": [{"end_interaction": {}}],
    }

    assert turn.read(response(automated_agent_reply=partial)) == []
    assert not turn.is_answered
    assert turn.rest() == [Reply(b"", end=DialogueEnd("end_interaction"))]
    assert turn.rest() == []


def test_parameters_are_those_of_cx_or_those_of_es() -> None:
    of_es = {
        "query_result": {
            "intent": {"name": "intents/1", "display_name": "bill"},
            "intent_detection_confidence": 0.3,
            "parameters": {"number": 12.0, "who": {"name": "Ann"}},
        }
    }
    (cx,) = messages().read(
        response(automated_agent_reply={"intent": "intents/1", "parameters": {"paid": True}})
    )
    (es,) = messages().read(response(automated_agent_reply={"detect_intent_response": of_es}))

    assert isinstance(cx, Reply)
    assert (cx.intent, cx.match_confidence, cx.parameters) == ("intents/1", None, {"paid": True})
    assert isinstance(es, Reply)
    assert (es.intent, es.match_confidence) == ("bill", 0.3)
    assert es.parameters == {"number": 12, "who": {"name": "Ann"}}


def test_reply_that_says_nothing_is_none_but_answers_the_turn() -> None:
    turn = messages()

    assert turn.read(response(automated_agent_reply={})) == []
    assert turn.is_answered


def test_replies_without_an_end_are_refused() -> None:
    turn = messages()
    partial = response(automated_agent_reply={"automated_agent_reply_type": TYPES.PARTIAL})
    turn.read(partial)
    with pytest.raises(AgentFailed) as failed:
        [turn.read(partial) for _ in range(100)]
    assert failed.value.reason == "endless_reply"
