"""ASAPP's own messages, as its document has them, and everything that is not as documented."""

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.formats import AudioFormat
from callstream.dialects import asapp
from callstream.dialects.events import (
    Media,
    SpokenPhrase,
    Start,
    Stop,
    TranscriptionRequest,
    Vocabulary,
)
from callstream.errors import UnreadableMessage

START = {
    "message": "startStream",
    "sender": {"role": "customer", "externalId": "cust-42"},
    "language": "en-US",
    "samplingRate": 8000,
    "encoding": "L16",
    "smartFormatting": True,
    "detailedToken": False,
    "audioRecordingAllowed": False,
    "redactionOutput": "redacted",
}
PHRASE = {"phrase": "IEEE", "soundsLike": ["i triple e"], "category": "company"}
VOCABULARY = {"message": "updateVocabulary", "phrases": [PHRASE]}
AUDIO = {"message": "audio", "sequence": 2, "payload": b64encode(b"\x01\x00\xfe\xff").decode()}


def read(message: object) -> object:
    return asapp.parse(json.dumps(message), "stream-1", "conversation-1")


def test_start_stream_becomes_a_start_whose_call_is_its_stream() -> None:
    assert read(START) == Start(
        None,
        "stream-1",
        "stream-1",
        "",
        ("inbound",),
        AudioFormat("L16", 8000, 1),
        session_id="conversation-1",
        transcription=TranscriptionRequest("customer", "cust-42", "en-US", redaction="redacted"),
    )


def test_start_stream_has_the_documented_defaults() -> None:
    start = read({"message": "startStream", "sender": START["sender"], "sequence": 1})

    assert isinstance(start, Start)
    assert (start.sequence, start.format) == (1, AudioFormat("L16", 8000, 1))
    assert start.transcription == TranscriptionRequest("customer", "cust-42", "en-US")


def test_values_that_have_a_code_of_their_own_are_read() -> None:
    start = read(START | {"language": "fr-FR", "encoding": "FLAC", "samplingRate": 16_000})

    assert isinstance(start, Start)
    assert start.format == AudioFormat("FLAC", 16_000, 1)
    assert start.transcription is not None
    assert start.transcription.language == "fr-FR"


def test_audio_is_little_endian_and_its_record_big_endian() -> None:
    assert read(AUDIO) == Media(2, "inbound", 2, 0, b"\x00\x01\xff\xfe")
    assert read(AUDIO | {"timestamp": 40}) == Media(2, "inbound", 2, 40, b"\x00\x01\xff\xfe")


def test_control_messages_may_have_a_number() -> None:
    phrases = (SpokenPhrase("IEEE", ("i triple e",), "company"),)

    assert read(VOCABULARY) == Vocabulary(None, phrases)
    assert read(VOCABULARY | {"sequence": 7}) == Vocabulary(7, phrases)
    assert read({"message": "finishStream"}) == Stop(None)
    assert read({"message": "finishStream", "sequence": 9}) == Stop(9)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("{", "not_json"),
        ("[]", "not_as_documented"),
        (b"\xff", "not_json"),
        ({}, "not_as_documented"),
        ({"message": "pauseStream"}, "not_as_documented"),
        ({"event": "start"}, "not_as_documented"),
        ({"message": "startStream"}, "not_as_documented"),
        (START | {"sender": {"role": "customer"}}, "not_as_documented"),
        (START | {"sender": {"role": "robot", "externalId": "x"}}, "not_as_documented"),
        (START | {"redactionOutput": "some"}, "not_as_documented"),
        (START | {"samplingRate": "8000"}, "not_as_documented"),
        (START | {"languge": "es-US"}, "not_as_documented"),
        (START | {"sequence": 0}, "not_as_documented"),
        ({"message": "audio", "payload": ""}, "not_as_documented"),
        (AUDIO | {"sequence": "2"}, "not_as_documented"),
        (AUDIO | {"payload": "a"}, "bad_audio"),
        (AUDIO | {"payload": "????"}, "bad_audio"),
        (AUDIO | {"payload": b64encode(b"odd").decode()}, "bad_audio"),
        ({"message": "updateVocabulary"}, "bad_vocabulary"),
        ({"message": "updateVocabulary", "phrases": []}, "bad_vocabulary"),
        ({"message": "updateVocabulary", "phrases": [{"soundsLike": []}]}, "bad_vocabulary"),
        (
            {"message": "updateVocabulary", "phrases": [PHRASE | {"category": "x"}]},
            "bad_vocabulary",
        ),
        ({"message": "finishStream", "now": True}, "not_as_documented"),
    ],
)
def test_message_that_is_not_as_documented_is_unreadable(text: Any, reason: str) -> None:
    given_ = text if isinstance(text, str | bytes) else json.dumps(text)
    with pytest.raises(UnreadableMessage) as raised:
        asapp.parse(given_, "stream-1", None)

    assert raised.value.reason == reason


fields = st.sampled_from([*START, *VOCABULARY, *AUDIO, "odd"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["startStream", "audio", "updateVocabulary", "finishStream"])


@given(
    text=st.text()
    | st.binary()
    | st.dictionaries(fields, values).map(json.dumps)
    | st.builds(
        lambda name, rest: json.dumps(rest | {"message": name}),
        names,
        st.dictionaries(fields, values),
    )
)
def test_parser_raises_no_other_error(text: str | bytes) -> None:
    with suppress(UnreadableMessage):
        asapp.parse(text, "stream-1", None)


def test_answers_are_written_as_documented() -> None:
    summary = {"totalAudioBytes": 320_000, "audioDurationMs": 20_000}

    assert json.loads(asapp.start_response("stream-1")) == {
        "message": "startResponse",
        "streamID": "stream-1",
        "status": {"code": "1000", "description": "OK"},
    }
    assert json.loads(asapp.vocabulary_response()) == {
        "message": "vocabularyResponse",
        "status": {"code": "1000", "description": "OK"},
    }
    assert json.loads(asapp.final_response("stream-1", 4083, "no message", summary)) == {
        "message": "finalResponse",
        "streamId": "stream-1",
        "status": {"code": "4083", "description": "Idle timeout: no message"},
        "summary": summary,
    }
