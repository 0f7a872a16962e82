"""What the bridge makes of a client's messages."""

import json
from base64 import b64decode
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from callstream.dialects import asapp
from callstream.dialects.events import Media, Start, Stop
from callstream_cli.bridge.messages import Numbering

START = '{"message": "startStream", "sender": {"role": "agent", "externalId": "a"}}'


def made(numbering: Numbering, *messages: str | bytes) -> list[dict[str, Any]]:
    return [json.loads(text) for message in messages for text in numbering.take(message)]


def test_small_messages_are_gathered_to_100_ms_and_numbered_with_their_place() -> None:
    texts = made(Numbering(), START, *[b"\1\2" * 160] * 11, '{"message": "finishStream"}')

    assert [(each["message"], each["sequence"]) for each in texts] == [
        ("startStream", 1),
        ("audio", 2),
        ("audio", 3),
        ("audio", 4),
        ("finishStream", 5),
    ]
    assert [len(b64decode(each["payload"])) for each in texts[1:4]] == [1600, 1600, 320]
    assert [each["timestamp"] for each in texts[1:4]] == [0, 100, 200]


def test_text_that_is_no_object_passes_unchanged_and_has_no_number() -> None:
    numbering = Numbering()

    for text in ("", "{", "[1]", "null", "[" * 100_000):
        assert numbering.take(text) == [text]
    assert made(numbering, START)[0]["sequence"] == 1


@given(
    messages=st.lists(st.binary(max_size=4000) | st.just(START), max_size=20),
    large=st.integers(0, 40_001).map(lambda size: (bytes(range(251)) * 160)[:size]),
)
@example(messages=[b"odd"], large=bytes(range(251)) * 160)
def test_no_byte_of_audio_is_lost_or_reordered(messages: list[str | bytes], large: bytes) -> None:
    numbering, sent = Numbering(), b"".join(each for each in messages if isinstance(each, bytes))
    texts = [
        text
        for each in (*messages, large, '{"message": "finishStream"}')
        for text in numbering.take(each)
    ]
    events = [asapp.parse(text, "stream-1", None) for text in texts]
    audio = bytearray()
    for event in events:
        if isinstance(event, Media):
            assert event.timestamp == len(audio) // 16
            audio += event.audio

    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
    sent += large
    sent = sent[: len(sent) // 2 * 2]
    assert bytes(audio[1::2]) == sent[::2]
    assert bytes(audio[::2]) == sent[1::2]
    assert isinstance(events[-1], Stop)
    assert sum(isinstance(event, Start) for event in events) == messages.count(START)
    # One frame of API Gateway has 32 KB.
    assert max(map(len, texts)) < 32_000
