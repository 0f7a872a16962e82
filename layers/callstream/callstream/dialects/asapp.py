"""The messages of ASAPP's AutoTranscribe WebSocket, by which a client streams its own audio.

Source: docs.asapp.com, AutoTranscribe "Direct WebSocket". Where the page is silent:

- **Audio** is in binary messages there, which API Gateway refuses. Here audio is text:
  `{"message": "audio", "sequence": 2, "payload": "<base64>"}`, optionally with `timestamp`, in
  milliseconds since the start of the audio. API Gateway does not keep the order of messages, so
  audio is numbered, from 1 on; control messages may have a number of the same count.
- **L16** is "16-bit PCM" there, without a byte order. It is little-endian here, as in WAV files and
  in memory; RFC 3551 would have it big-endian. Records have L16 in the order of RFC 3551.
- **Unknown fields** are refused, as those of the HTTP API are.
"""

from array import array
from base64 import b64decode
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    Counter,
    Media,
    SpokenPhrase,
    Start,
    Stop,
    TranscriptionRequest,
    Vocabulary,
)
from callstream.errors import UnreadableMessage

FORMAT: Final = AudioFormat("L16", 8000, 1)
"""The only format of the audio."""
BAD_AUDIO: Final = "bad_audio"
"""The reason of a rejected message whose audio is no base64, or no whole samples."""
BAD_VOCABULARY: Final = "bad_vocabulary"
"""The reason of a rejected message that adds no readable phrases."""

STATUSES: Final = {
    1000: "OK",
    1008: "Invalid or expired access token",
    2002: "The conversation id could not be fetched",
    4040: "The message format is wrong",
    4050: "The language is not supported",
    4051: "The encoding is not supported",
    4053: "The sampling rate is not supported",
    4056: "Wrong message order, or a required message is missing",
    4080: "The audio cannot be transcribed",
    4082: "The audio cannot be decoded",
    4083: "Idle timeout",
    4084: "A vocabulary phrase is over the limit",
    4090: "The streaming duration is over the limit",
    4091: "The vocabulary format is wrong",
    4092: "Redaction needs smartFormatting",
    4093: "detailedToken cannot be had together with redaction",
    4094: "This redactionOutput is refused by the setting to redact always",
    5000: "Internal error",
    5001: "The service is shutting down",
    5002: "No instance is free",
}
"""ASAPP's status codes, with descriptions of ours: ASAPP gives the meanings, not the texts."""

_Number = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Text = Annotated[str, Meta(min_length=1, max_length=400)]


class _Message(Struct, tag_field="message", forbid_unknown_fields=True, rename="camel"):
    pass


class _Sender(Struct, forbid_unknown_fields=True, rename="camel"):
    role: Literal["customer", "agent"]
    external_id: _Text


class _StartStream(_Message, tag="startStream"):
    sender: _Sender
    language: Annotated[str, Meta(max_length=40)] = "en-US"
    sampling_rate: Counter = 8000
    encoding: Annotated[str, Meta(max_length=40)] = "L16"
    smart_formatting: bool = True
    detailed_token: bool = False
    audio_recording_allowed: bool = False
    redaction_output: Literal["redacted", "unredacted", "redacted_and_unredacted"] | None = None
    sequence: _Number | None = None


class _Audio(_Message, tag="audio"):
    sequence: _Number
    payload: str
    timestamp: Counter = 0


class _Phrase(Struct, forbid_unknown_fields=True, rename="camel"):
    phrase: Annotated[str, Meta(min_length=1)]
    sounds_like: list[str] = field(default_factory=list)
    category: Literal["address", "name", "number", "company", "currency"] | None = None


class _UpdateVocabulary(_Message, tag="updateVocabulary"):
    phrases: Annotated[list[_Phrase], Meta(min_length=1)]
    sequence: _Number | None = None


class _FinishStream(_Message, tag="finishStream"):
    sequence: _Number | None = None


class _Outline(Struct):
    message: str


_Messages: TypeAlias = _StartStream | _Audio | _UpdateVocabulary | _FinishStream
_decoder: Final[msgspec.json.Decoder[_Messages]] = msgspec.json.Decoder(
    _StartStream | _Audio | _UpdateVocabulary | _FinishStream
)
_outline_decoder: Final = msgspec.json.Decoder(_Outline)


def parse(
    text: str | bytes, stream_id: str, session_id: str | None
) -> Start | Media | Vocabulary | Stop:
    """Read a message that a client sends.

    Args:
        text: the message.
        stream_id: our id of the stream, which is also the id of its call.
        session_id: the id that the client has given to the streams of one conversation.

    Raises:
        UnreadableMessage: `not_json`, `not_as_documented`, `bad_audio` or `bad_vocabulary`.
    """
    try:
        message = _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise UnreadableMessage(_reason(text), str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableMessage("not_json", str(error)) from None
    match message:
        case _Audio():
            audio = _network_order(message.payload)
            return Media(message.sequence, "inbound", message.sequence, message.timestamp, audio)
        case _StartStream(sender=sender):
            return Start(
                message.sequence,
                stream_id,
                stream_id,
                "",
                ("inbound",),
                AudioFormat(message.encoding, message.sampling_rate, 1),
                session_id=session_id,
                transcription=TranscriptionRequest(
                    sender.role,
                    sender.external_id,
                    message.language,
                    message.smart_formatting,
                    message.detailed_token,
                    message.audio_recording_allowed,
                    message.redaction_output,
                ),
            )
        case _UpdateVocabulary():
            phrases = (
                SpokenPhrase(each.phrase, tuple(each.sounds_like), each.category)
                for each in message.phrases
            )
            return Vocabulary(message.sequence, tuple(phrases))
        case _FinishStream():
            return Stop(message.sequence)


def redaction_fault(
    redaction: str | None, *, smart_formatting: bool, detailed_token: bool, always_redacts: bool
) -> int | None:
    """The code for a `redactionOutput` that the other choices contradict; None if none does.

    Args:
        redaction: the value; None if there is none. Then text is redacted, and nothing contradicts.
        smart_formatting: whether text is formatted.
        detailed_token: whether there are words with their times.
        always_redacts: whether the operator allows no text before redaction.
    """
    if redaction in {"redacted", "redacted_and_unredacted"}:
        if detailed_token:
            return 4093
        if not smart_formatting:
            return 4092
    if redaction in {"unredacted", "redacted_and_unredacted"} and always_redacts:
        return 4094
    return None


def start_response(stream_id: str) -> str:
    """The answer to `startStream`."""
    return _write({"message": "startResponse", "streamID": stream_id, "status": status(1000)})


def vocabulary_response() -> str:
    """The answer to `updateVocabulary`."""
    return _write({"message": "vocabularyResponse", "status": status(1000)})


def final_response(stream_id: str, code: int, fault: str, summary: dict[str, int]) -> str:
    """The last message. `fault` says more than the code does, or is empty."""
    fields = {"message": "finalResponse", "streamId": stream_id, "status": status(code, fault)}
    return _write(fields | {"summary": summary})


def status(code: int, fault: str = "") -> dict[str, str]:
    """The object that has one of `STATUSES`."""
    description = STATUSES[code]
    return {"code": str(code), "description": f"{description}: {fault}" if fault else description}


def _write(message: object) -> str:
    return msgspec.json.encode(message).decode()


def _reason(text: str | bytes) -> str:
    """Why a message is not as documented: ASAPP has a code of its own for a wrong vocabulary."""
    try:
        is_vocabulary = _outline_decoder.decode(text).message == "updateVocabulary"
    except msgspec.DecodeError:
        is_vocabulary = False
    return BAD_VOCABULARY if is_vocabulary else "not_as_documented"


def _network_order(payload: str) -> bytes:
    try:
        samples = array("h", b64decode(payload, validate=True))
    except ValueError as error:
        raise UnreadableMessage(BAD_AUDIO, str(error)) from None
    samples.byteswap()
    return samples.tobytes()
