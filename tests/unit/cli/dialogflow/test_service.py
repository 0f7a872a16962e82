from typing import Any

import grpc
import pytest
from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow.agent import Input
from callstream_cli.dialogflow.faults import Fault, Place
from callstream_cli.dialogflow.script import TEXTS, Speech
from tests.unit.cli.dialogflow.desk import (
    MULAW,
    SPOKEN,
    Desk,
    audio,
    first,
    first_of_session,
    kind,
    silence,
)

WELCOME = {"name": "WELCOME", "language_code": "en-US"}
SENTIMENT = {"sentiment_analysis_request_config": {"analyze_query_text_sentiment": True}}
Later = dialogflow.StreamingAnalyzeContentRequest


def keys(*events: int) -> Any:
    return Later(input_dtmf={"dtmf_events": events})


def eager(**fields: bool) -> dialogflow.InputAudioConfig:
    config = dialogflow.InputAudioConfig(MULAW)
    for name, value in fields.items():
        setattr(config, name, value)
    return config


def test_a_turn_has_the_events_of_a_single_utterance_in_googles_order() -> None:
    desk = Desk()
    config = eager(enable_voice_activity_events=True)

    responses = desk.stream([first(desk.participant(), audio_config=config), *audio("my bill")])

    assert [kind(each) for each in responses] == [
        "SPEECH_ACTIVITY_BEGIN",
        "TRANSCRIPT my",
        "TRANSCRIPT my bill",
        "SPEECH_ACTIVITY_END",
        "END_OF_SINGLE_UTTERANCE",
        "TRANSCRIPT my bill final",
        f"FINAL {TEXTS['bill']}",
    ]
    final = responses[-1]
    assert final.reply_audio.audio == Speech("bill").audio
    assert final.automated_agent_reply.intent.endswith("/intents/bill")
    assert final.dtmf_parameters.accepts_dtmf_input


def test_what_is_said_after_a_single_utterance_is_not_heard() -> None:
    desk = Desk()

    desk.stream([first(desk.participant()), *audio("my bill"), *audio("goodbye")])

    assert [said for said, _ in desk.answers] == [Input(text="my bill")]


def test_a_stream_of_several_utterances_is_answered_at_its_end() -> None:
    desk = Desk()
    config = eager(single_utterance=False, disable_interim_input_transcripts=True)

    responses = desk.stream(
        [first(desk.participant(), audio_config=config), *audio("my bill"), *audio("please")]
    )

    assert [kind(each) for each in responses] == [
        "TRANSCRIPT my bill final",
        "TRANSCRIPT please final",
        f"FINAL {TEXTS['bill']}",
    ]
    assert [said for said, _ in desk.answers] == [Input(text="my bill please")]


def test_words_before_the_half_close_count_without_the_end_of_an_utterance() -> None:
    desk = Desk()
    spoken = audio("goodbye")[:3]

    responses = desk.stream([first(desk.participant()), *spoken])

    assert kind(responses[-2]) == "TRANSCRIPT goodbye final"
    assert kind(responses[-1]) == f"FINAL {TEXTS['goodbye']}"


def test_nothing_is_spoken_unless_the_first_message_asks_for_it() -> None:
    desk = Desk()
    participant = desk.participant()

    *_, final = desk.stream([first(participant, reply_audio_config=None), *audio("bill")])
    greeting = desk.analyze(participant, event_input=WELCOME)

    assert final.reply_text == TEXTS["bill"]
    assert greeting.reply_text == TEXTS["welcome"]
    assert final.reply_audio.audio == greeting.reply_audio.audio == b""


@pytest.mark.parametrize(("disabled", "answers"), [(False, [TEXTS["silence"]]), (True, [])])
def test_silence_is_an_event_unless_the_client_does_not_want_that(
    *, disabled: bool, answers: list[str]
) -> None:
    desk = Desk()
    config = eager(disable_no_speech_recognized_event=disabled)

    responses = desk.stream([first(desk.participant(), audio_config=config), *silence(2)])

    assert [each.reply_text for each in responses if each.reply_text] == answers


def test_keys_count_only_when_the_agent_has_asked_for_keys() -> None:
    desk = Desk()
    participant = desk.participant()

    desk.stream([first(participant), keys(1, 2, 16)])
    desk.stream([first(participant), *audio("bill")])
    *_, final = desk.stream([first(participant), keys(1), keys(2, 10, 16)])

    assert [said for said, _ in desk.answers] == [
        Input(event="NO_SPEECH_RECOGNIZED"),
        Input(text="bill"),
        Input(digits="120#"),
    ]
    assert dict(final.automated_agent_reply.parameters) == {"account": "120"}


@pytest.mark.parametrize(
    ("profile", "wanted", "replies"),
    [
        ("demo", True, [f"PARTIAL {TEXTS['looking']}", f"FINAL {TEXTS['repair']}"]),
        ("demo", False, [f"FINAL {TEXTS['looking']} {TEXTS['repair']}"]),
        ("demo-es", True, [f"FINAL {TEXTS['looking']} {TEXTS['repair']}"]),
    ],
)
def test_partial_replies_come_from_cx_when_they_are_asked_for(
    profile: str, *, wanted: bool, replies: list[str]
) -> None:
    desk = Desk()
    opening = first(desk.participant(profile), enable_partial_automated_agent_reply=wanted)

    responses = [each for each in desk.stream([opening, *audio("water")]) if each.reply_text]

    assert [kind(each) for each in responses] == replies
    spoken = b"".join(each.reply_audio.audio for each in responses)
    assert spoken == Speech("looking").audio + Speech("repair").audio
    assert not any(each.automated_agent_reply.allow_cancellation for each in responses)


def test_sentiment_of_es_comes_with_the_query_and_of_cx_with_the_message() -> None:
    desk = Desk()
    cx, es = (
        desk.stream([first(desk.participant(name), query_params=SENTIMENT), *audio("thanks")])[-1]
        for name in ("demo", "demo-es")
    )
    of_session = desk.stream(
        [
            first_of_session(query_params=SENTIMENT),
            *audio("thanks", dialogflow.StreamingDetectIntentRequest),
        ]
    )[-1]

    of_es = es.automated_agent_reply.detect_intent_response.query_result
    for result in (
        cx.message.sentiment_analysis,
        of_es.sentiment_analysis_result,
        of_session.query_result.sentiment_analysis_result,
    ):
        assert result.query_text_sentiment.score > 0.5
    assert "sentiment_analysis" not in es.message


def test_the_ends_of_a_dialogue_are_those_of_cx_and_es() -> None:
    ends = {}
    for word in ("goodbye", "person", "danger"):
        desk = Desk()
        for profile in ("demo", "demo-es"):
            *_, final = desk.stream([first(desk.participant(profile)), *audio(word)])
            reply = final.automated_agent_reply
            intent = reply.detect_intent_response.query_result.intent
            ends[word, profile] = [
                *(
                    name
                    for message in reply.response_messages
                    for name in ("end_interaction", "live_agent_handoff", "telephony_transfer_call")
                    if name in message
                ),
                *(
                    name
                    for name in ("end_interaction", "live_agent_handoff")
                    if getattr(intent, name)
                ),
            ]
    assert ends == {
        ("goodbye", "demo"): ["end_interaction"],
        ("goodbye", "demo-es"): ["end_interaction"],
        ("person", "demo"): ["live_agent_handoff"],
        ("person", "demo-es"): ["live_agent_handoff"],
        ("danger", "demo"): ["telephony_transfer_call"],
        ("danger", "demo-es"): ["live_agent_handoff"],
    }


def test_after_a_handoff_of_es_only_the_human_answers() -> None:
    desk = Desk()
    participant = desk.participant("demo-es")
    desk.stream([first(participant), *audio("person")])

    *_, last = desk.stream([first(participant), *audio("bill")])

    assert last.message.content == "bill"
    assert "automated_agent_reply" not in last
    assert last.reply_text == ""


def test_a_session_is_answered_with_a_query_result() -> None:
    desk = Desk()
    greeting = desk.stream([first_of_session(query_input={"event": WELCOME})])[-1]
    responses = desk.stream(
        [first_of_session(), *audio("bill", dialogflow.StreamingDetectIntentRequest)]
    )

    assert greeting.query_result.fulfillment_text == TEXTS["welcome"]
    assert greeting.output_audio == Speech("welcome").audio
    assert [kind(each) for each in responses] == [
        "TRANSCRIPT bill",
        "END_OF_SINGLE_UTTERANCE",
        "TRANSCRIPT bill final",
        "REPLY bill",
    ]
    assert responses[-1].query_result.query_text == "bill"


def test_a_repeated_request_id_gets_the_first_response_and_lets_nothing_happen() -> None:
    desk = Desk()
    participant = desk.participant()
    asked = {"event_input": WELCOME, "request_id": "r1", "reply_audio_config": SPOKEN}

    assert desk.analyze(participant, **asked) == desk.analyze(participant, **asked)
    assert len(desk.answers) == 1


def test_an_event_that_no_intent_has_gets_a_reply_that_says_nothing() -> None:
    desk = Desk()
    event = {"name": "OTHER", "language_code": "en-US"}

    response = desk.analyze(desk.participant(), event_input=event, reply_audio_config=SPOKEN)

    assert response.reply_text == ""
    assert response.automated_agent_reply.intent == ""
    assert response.reply_audio.audio == b""


@pytest.mark.parametrize(
    ("at", "came", "acted"),
    [
        ("start", [], 0),
        ("audio", [], 0),
        ("utterance", ["TRANSCRIPT my", "TRANSCRIPT my bill"], 0),
        ("reply", ["END_OF_SINGLE_UTTERANCE", "TRANSCRIPT my bill final"], 0),
        ("end", ["TRANSCRIPT my bill final", f"FINAL {TEXTS['bill']}"], 1),
    ],
)
def test_a_fault_strikes_at_its_place(at: Place, came: list[str], acted: int) -> None:
    desk = Desk()
    fault = Fault(at=at, status=grpc.StatusCode.RESOURCE_EXHAUSTED)

    status, responses = desk.refusal([first(desk.participant()), *audio("my bill")], fault)

    assert (status, responses[-2:]) == ("RESOURCE_EXHAUSTED", came)
    assert len(desk.answers) == acted


def test_no_reply_ends_the_stream_and_the_agent_has_not_acted() -> None:
    desk = Desk()
    silent = Fault(reply="none")

    responses = desk.stream([first(desk.participant()), *audio("bill")], silent)

    assert kind(responses[-1]) == "TRANSCRIPT bill final"
    assert desk.answers == []


@pytest.mark.parametrize(
    ("wrong", "begins", "ratio"), [("wav", b"RIFF", 1.0), ("rate", b"", 2.0), ("codec", b"", 1.0)]
)
def test_wrong_audio_is_not_what_it_is_said_to_be(wrong: Any, begins: bytes, ratio: float) -> None:
    desk = Desk()
    fault = Fault(audio=wrong)

    *_, final = desk.stream([first(desk.participant()), *audio("bill")], fault)

    audio_, right = final.reply_audio.audio, Speech("bill").audio
    assert audio_ != right
    assert audio_.startswith(begins)
    assert len(audio_) == pytest.approx(ratio * len(right), rel=0.01)
    assert final.reply_audio.config.sample_rate_hertz == 8000


def test_linear_replies_have_a_wav_header() -> None:
    desk = Desk()
    linear = {"audio_encoding": "OUTPUT_AUDIO_ENCODING_LINEAR_16", "sample_rate_hertz": 8000}

    *_, final = desk.stream([first(desk.participant(), reply_audio_config=linear), *audio("bill")])

    assert final.reply_audio.audio[:4] == b"RIFF"
