"""The rules of Google's that clients must keep, each with the status of who breaks it."""

from collections.abc import Callable
from typing import Any

import pytest
from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow import names
from callstream_cli.dialogflow.refused import Refused
from tests.unit.cli.dialogflow.desk import (
    MULAW,
    NEVER_CLOSED,
    PLACE,
    SESSION,
    Desk,
    audio,
    first,
    first_of_session,
    silence,
)

Later = dialogflow.StreamingAnalyzeContentRequest
LaterInSession = dialogflow.StreamingDetectIntentRequest
WELCOME = {"name": "WELCOME", "language_code": "en-US"}


def changed(**fields: Any) -> dialogflow.InputAudioConfig:
    config = dialogflow.InputAudioConfig(MULAW)
    for name, value in fields.items():
        setattr(config, name, value)
    return config


# The messages of a stream, made of the participant's name, and the status.
STREAMS: dict[str, tuple[Callable[[str], list[Any]], str]] = {
    "sixty seconds of audio": (lambda it: [first(it), *silence(60)], "OK"),
    "more than a minute": (lambda it: [first(it), *silence(60.5)], "OUT_OF_RANGE"),
    "nothing sent for long": (lambda it: [first(it), NEVER_CLOSED], "OUT_OF_RANGE"),
    "no half-close": (lambda it: [first(it), *audio("bill"), NEVER_CLOSED], "OUT_OF_RANGE"),
    "no such participant": (lambda it: [first(f"{it}9")], "NOT_FOUND"),
    "no such conversation": (
        lambda _: [first(f"{PLACE}/conversations/nine/participants/1")],
        "NOT_FOUND",
    ),
    "a session's name": (lambda _: [first(SESSION)], "INVALID_ARGUMENT"),
    "no participant": (lambda _: [first("")], "INVALID_ARGUMENT"),
    "no config": (lambda it: [Later(participant=it)], "INVALID_ARGUMENT"),
    "audio in the first message": (
        lambda it: [first(it, input_audio=b"\xff")],
        "INVALID_ARGUMENT",
    ),
    "config in the second": (lambda it: [first(it), first("")], "INVALID_ARGUMENT"),
    "participant in the second": (
        lambda it: [first(it), Later(participant=it, input_audio=b"\xff")],
        "INVALID_ARGUMENT",
    ),
    "nothing in the second": (lambda it: [first(it), Later()], "INVALID_ARGUMENT"),
    "extended streaming": (
        lambda it: [first(it, enable_extended_streaming=True)],
        "INVALID_ARGUMENT",
    ),
    "no language": (
        lambda it: [first(it, audio_config=changed(language_code=""))],
        "INVALID_ARGUMENT",
    ),
    "no encoding": (
        lambda it: [first(it, audio_config=changed(audio_encoding=0))],
        "INVALID_ARGUMENT",
    ),
    "mu-law at 16 kHz": (
        lambda it: [first(it, audio_config=changed(sample_rate_hertz=16_000))],
        "INVALID_ARGUMENT",
    ),
    "speech in mu-law at 16 kHz": (
        lambda it: [
            first(it, reply_audio_config={"audio_encoding": 5, "sample_rate_hertz": 16000})
        ],
        "INVALID_ARGUMENT",
    ),
    "an unknown key": (
        lambda it: [first(it), Later(input_dtmf={"dtmf_events": [0]})],
        "INVALID_ARGUMENT",
    ),
    "a long text": (
        lambda it: [first(it), Later(input_text="x" * 257)],
        "INVALID_ARGUMENT",
    ),
    "text as announced": (
        lambda it: [
            Later(participant=it, text_config={"language_code": "en-US"}),
            Later(input_text="hello"),
        ],
        "OK",
    ),
    "text announced, nothing sent": (
        lambda it: [Later(participant=it, text_config={"language_code": "en-US"})],
        "INVALID_ARGUMENT",
    ),
    "audio instead of text": (
        lambda it: [
            Later(participant=it, text_config={"language_code": "en-US"}),
            Later(input_audio=b"\xff"),
        ],
        "INVALID_ARGUMENT",
    ),
    "a session": (lambda _: [first_of_session(), *audio("bill", LaterInSession)], "OK"),
    "a session of a CX agent": (
        lambda _: [first_of_session(session=f"{PLACE}/agents/a/sessions/s1")],
        "INVALID_ARGUMENT",
    ),
    "a participant's name": (lambda it: [first_of_session(session=it)], "INVALID_ARGUMENT"),
    "no input": (lambda _: [first_of_session(query_input={})], "INVALID_ARGUMENT"),
    "a session's audio in the first message": (
        lambda _: [first_of_session(input_audio=b"\xff")],
        "INVALID_ARGUMENT",
    ),
    "a session's name in the second": (
        lambda _: [first_of_session(), first_of_session()],
        "INVALID_ARGUMENT",
    ),
    "audio after an event": (
        lambda _: [
            first_of_session(query_input={"event": WELCOME}),
            LaterInSession(input_audio=b"\xff"),
        ],
        "INVALID_ARGUMENT",
    ),
    "an event without its language": (
        lambda _: [first_of_session(query_input={"event": {"name": "WELCOME"}})],
        "INVALID_ARGUMENT",
    ),
}


@pytest.mark.parametrize("rule", STREAMS)
def test_a_stream_ends_with_the_status_of_the_rule_that_it_breaks(rule: str) -> None:
    messages, status = STREAMS[rule]
    desk = Desk(patience_s=0.2 if "OUT_OF_RANGE" in status else 5.0)

    assert desk.refusal(messages(desk.participant()))[0] == status
    # The agent acts on nothing that breaks a rule.
    assert len(desk.answers) == (status == "OK")


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("projects/p/agent/sessions/" + "s" * 36, True),
        ("projects/p/agent/sessions/" + "s" * 37, False),
        (f"{PLACE}/agent/environments/e/users/{'u' * 37}/sessions/s", False),
        (f"{PLACE}/agent/sessions/", False),
    ],
)
def test_ids_of_sessions_have_at_most_36_characters(name: str, *, is_good: bool) -> None:
    if is_good:
        names.session(name)
    else:
        with pytest.raises(Refused, match="INVALID_ARGUMENT"):
            names.session(name)


@pytest.mark.parametrize(
    ("region", "served", "host", "is_good"),
    [
        ("global", None, "127.0.0.1:4590", True),
        ("us-east1", None, "127.0.0.1:4590", True),
        ("global", "us-east1", "127.0.0.1:4590", False),
        ("us-east1", "us-east1", "127.0.0.1:4590", True),
        ("global", None, "dialogflow.googleapis.com", True),
        ("us-east1", None, "dialogflow.googleapis.com:443", False),
        ("us-east1", None, "us-east1-dialogflow.googleapis.com", True),
        ("us-east1", None, "europe-west1-dialogflow.googleapis.com", False),
    ],
)
def test_the_region_of_a_name_is_that_of_the_endpoint(
    region: str, served: str | None, host: str, *, is_good: bool
) -> None:
    place = names.Place("p", region)
    if is_good:
        names.check_region(place, served, host)
    else:
        with pytest.raises(Refused, match="INVALID_ARGUMENT"):
            names.check_region(place, served, host)


@pytest.mark.parametrize(
    ("parent", "profile", "id_", "status"),
    [
        (PLACE, f"{PLACE}/conversationProfiles/demo", "own-1", None),
        (PLACE, f"{PLACE}/conversationProfiles/other", "", "NOT_FOUND"),
        (PLACE, "projects/p/locations/eu/conversationProfiles/demo", "", "INVALID_ARGUMENT"),
        (PLACE, "projects/q/locations/global/conversationProfiles/demo", "", "INVALID_ARGUMENT"),
        (PLACE, "demo", "", "INVALID_ARGUMENT"),
        (PLACE, "", "", "INVALID_ARGUMENT"),
        ("p", f"{PLACE}/conversationProfiles/demo", "", "INVALID_ARGUMENT"),
        (PLACE, f"{PLACE}/conversationProfiles/demo", "1own", "INVALID_ARGUMENT"),
        (PLACE, f"{PLACE}/conversationProfiles/demo", "a" * 65, "INVALID_ARGUMENT"),
    ],
)
def test_a_conversation_needs_a_profile_of_its_place(
    parent: str, profile: str, id_: str, status: str | None
) -> None:
    request = dialogflow.CreateConversationRequest(
        parent=parent, conversation={"conversation_profile": profile}, conversation_id=id_
    )
    conversations = Desk().conversations
    if status:
        with pytest.raises(Refused, match=status):
            conversations.create(request)
    else:
        assert conversations.create(request).name == f"{PLACE}/conversations/{id_}"
        with pytest.raises(Refused, match="ALREADY_EXISTS"):
            conversations.create(request)


def test_a_completed_conversation_takes_nothing_more() -> None:
    desk = Desk()
    participant = desk.participant()
    conversation = participant.partition("/participants/")[0]
    desk.conversations.complete(dialogflow.CompleteConversationRequest(name=conversation))

    assert desk.refusal([first(participant)])[0] == "FAILED_PRECONDITION"
    with pytest.raises(Refused, match="FAILED_PRECONDITION"):
        desk.analyze(participant, event_input=WELCOME)
    with pytest.raises(Refused, match="FAILED_PRECONDITION"):
        desk.conversations.create_participant(
            dialogflow.CreateParticipantRequest(
                parent=conversation, participant={"role": "END_USER"}
            )
        )


def test_a_participant_has_a_role() -> None:
    desk = Desk()
    conversation = desk.participant().partition("/participants/")[0]
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        desk.conversations.create_participant(
            dialogflow.CreateParticipantRequest(parent=conversation)
        )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"event_input": {"name": "WELCOME"}},
        {"event_input": {"language_code": "en-US"}},
        {"text_input": {"text": "hello"}},
        {"text_input": {"text": "x" * 257, "language_code": "en-US"}},
        {"event_input": WELCOME, "request_id": "r" * 37},
        {"event_input": WELCOME, "request_id": "ä"},
        {"event_input": WELCOME, "reply_audio_config": {"audio_encoding": 2}},
    ],
)
def test_a_request_without_a_stream_is_checked(fields: dict[str, Any]) -> None:
    desk = Desk()
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        desk.analyze(desk.participant(), **fields)
    assert desk.answers == []
