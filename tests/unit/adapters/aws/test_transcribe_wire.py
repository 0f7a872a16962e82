"""Amazon Transcribe's wire, against its own rules and against botocore."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice, pairwise
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from callstream.adapters.aws.transcribe_wire import (
    Frame,
    FrameReader,
    audio_frame,
    parameters,
    signed_url,
)
from callstream.transcription.engine import EngineFailed, SessionSettings
from tests.transcribe_checks import (
    AUDIO_HEADERS,
    Key,
    Refused,
    check_signature,
    decode_frame,
    encode_frame,
    exception_frame,
    transcript_event,
)

TOKEN: Final = "IQoJ/b3Jp+Z2lu/X2Vj+A=="
ENDPOINT: Final = "wss://transcribestreaming.us-east-1.amazonaws.com:8443"
HOST: Final = "transcribestreaming.us-east-1.amazonaws.com:8443"
ENTITIES: Final = "CREDIT_DEBIT_NUMBER,CREDIT_DEBIT_CVV,PIN,SSN,PASSWORD"
PLAIN: Final = SessionSettings("en-US", finds_private=False)


@pytest.mark.parametrize(
    ("settings", "query"),
    [
        (PLAIN, {}),
        (
            SessionSettings("es-US", channels=2, finds_private=False),
            {
                "language-code": "es-US",
                "number-of-channels": "2",
                "enable-channel-identification": "true",
            },
        ),
        (
            SessionSettings("en-US"),
            {"content-identification-type": "PII", "pii-entity-types": ENTITIES},
        ),
        (
            SessionSettings(
                "en-US", smart_formatting=False, finds_private=False, vocabulary="ours"
            ),
            {"transcript-format": "SPOKEN", "vocabulary-name": "ours"},
        ),
    ],
)
def test_parameters_follow_the_settings(settings: SessionSettings, query: dict[str, str]) -> None:
    always = {"media-encoding": "pcm", "sample-rate": "8000", "session-id": "s-1"}

    assert parameters(settings, "s-1") == {"language-code": "en-US"} | always | query


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("endpoint", "host"), [(ENDPOINT, HOST), ("ws://127.0.0.1:4711", "127.0.0.1:4711")]
)
def test_signed_url_is_accepted_by_a_signature_of_ones_own(
    endpoint: str, host: str, token: str | None
) -> None:
    query = parameters(SessionSettings("en-US", channels=2, vocabulary="a b/c+d=é"), "s-1")
    url = signed_url(endpoint, "us-east-1", Credentials("AK", "SK", token), query)

    assert url.startswith(f"{endpoint}/stream-transcription-websocket?")
    target, keys, now = url.removeprefix(endpoint), {"AK": Key("SK", token)}, datetime.now(UTC)
    check_signature(target, host, keys, now)
    assert query.items() <= dict(parse_qsl(urlsplit(url).query)).items()
    for wrong in (
        (target, host.partition(":")[0], keys, now),
        (target.replace("=pcm", "=flac"), host, keys, now),
        (target, host, {"AK": Key("other", token)}, now),
        (target, host, {"AK": Key("SK", "other")}, now),
        (target, host, {}, now),
        (target, host, keys, now + timedelta(minutes=6)),
    ):
        with pytest.raises(Refused):
            check_signature(*wrong)
    with pytest.raises(Refused, match="scoped"):
        check_signature(target, host, keys, now, region="eu-west-1")


@pytest.mark.parametrize("audio", [b"", bytes(range(256)) * 12])
def test_audio_frame_is_read_by_botocore_and_by_the_stand_in(audio: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(audio_frame(audio))
    [message] = buffer

    assert (cast("object", message.headers), message.payload) == (AUDIO_HEADERS, audio)
    assert decode_frame(audio_frame(audio)) == (AUDIO_HEADERS, audio)


FRAMES: Final = (
    transcript_event([]),
    transcript_event([{"ResultId": "1"}]),
    exception_frame("ConflictException", "A new stream"),
    encode_frame({":message-type": "error", ":error-code": "InternalFailure"}, b""),
)
READ: Final = [
    Frame("TranscriptEvent", b'{"Transcript": {"Results": []}}'),
    Frame("TranscriptEvent", b'{"Transcript": {"Results": [{"ResultId": "1"}]}}'),
    Frame("ConflictException", b'{"Message": "A new stream"}', is_exception=True),
    Frame("InternalFailure", b"", is_exception=True),
]
ALL: Final = b"".join(FRAMES)


@given(st.lists(st.integers(0, len(ALL)), max_size=8))
def test_frames_are_read_from_pieces_of_any_length(cuts: list[int]) -> None:
    reader, ends = FrameReader(), [0, *sorted(cuts), len(ALL)]
    pieces = [ALL[start:end] for start, end in pairwise(ends)]

    assert [frame for piece in pieces for frame in reader.read(piece)] == READ


@given(st.integers(0, len(ALL) - 1), st.integers(1, 255))
def test_frame_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    data = bytearray(ALL)
    data[place] ^= change
    frames = FrameReader().read(bytes(data))
    whole = sum(place >= end for end in accumulate(map(len, FRAMES)))

    assert [*islice(frames, whole)] == READ[:whole]
    with pytest.raises(EngineFailed, match="unreadable answer"):
        next(frames)


@pytest.mark.parametrize(
    "data", [b"{}" * 20, encode_frame({}, b""), encode_frame({":message-type": "event"}, b"")]
)
def test_reader_refuses_what_is_no_frame_of_amazons(data: bytes) -> None:
    with pytest.raises(EngineFailed, match="unreadable answer"):
        [*FrameReader().read(data)]
