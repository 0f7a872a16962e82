"""The benchmark of transcription: what it makes of lines and operations."""

import json
from typing import Any

import audioop
import pytest

from bench.billing import Counts
from bench.measures import BenchError
from bench.transcription import Conversation, Line, Sentence, _is_for_lines, costs, delays
from tests.speech_samples import sentences, synthesise


def test_conversation_has_its_speakers_in_turns() -> None:
    samples = sentences()[:2]
    spoken = Conversation.of(samples)

    lengths = [len(synthesise(*sample)) for sample in samples]
    first, second = (bytes(track) for track in spoken.tracks)
    assert [spoken.said(track) for track in (0, 1)] == [sample.text for sample in samples]
    assert len(first) == len(second) == sum(lengths) + 2 * 1500 * 16
    assert not any(second[: lengths[0]])
    assert not any(first[lengths[0] :])
    assert audioop.tomono(spoken.stereo(), 2, 1, 0) == first
    assert audioop.tomono(spoken.stereo(), 2, 0, 1) == second


def test_conversation_knows_when_each_voice_ends() -> None:
    spoken = Conversation.of(sentences()[:1])

    end = spoken.sentences[0].end_ms * 16
    assert audioop.max(bytes(spoken.tracks[0][end - 320 : end]), 2) > 500
    assert audioop.max(bytes(spoken.tracks[0][end:]), 2) <= 500


def conversation() -> Conversation:
    return Conversation(sentences=[Sentence(0, "Hello.", 1000), Sentence(1, "Hi.", 3000)])


def test_delays_count_from_the_end_of_the_voice() -> None:
    lines = [Line(1, "Hi.", 3300, 3.75), Line(0, "Hello.", 1200, 1.5), Line(1, "So", 1100, 1.2)]

    assert delays(conversation(), lines) == [0.5, 0.75]


def test_delays_refuse_a_sentence_without_a_line() -> None:
    with pytest.raises(BenchError, match=r"no line has come of: Hi\."):
        delays(conversation(), [Line(0, "Hello.", 1200, 1.5), Line(1, "So", 1100, 1.2)])


def test_costs_have_the_function_and_amazons_price() -> None:
    hour = Counts({"Lambda GB-seconds": 3600, "DynamoDB writes": 10_000})

    values = {measure.name: measure.value for measure in costs(hour)}

    assert list(values.values()) == pytest.approx([0.06625, 1.50625, 0.06, 0.00625], rel=1e-4)


@pytest.mark.parametrize(
    ("operation", "belongs"),
    [
        ({"function": "TranscriptionFunction", "what": "invocation"}, True),
        ({"function": "CallbackDeliveryFunction", "what": "request", "service": "sqs"}, True),
        ({"function": "FanOutFunction", "what": "capacity"}, True),
        ({"function": "FanOutFunction", "what": "request", "service": "dynamodb"}, True),
        # Their number is that of AWS's reads.
        ({"function": "FanOutFunction", "what": "invocation"}, False),
        ({"function": "FanOutFunction", "what": "request", "service": "apigateway"}, False),
        ({"function": "MediaFrameFunction", "what": "invocation"}, False),
    ],
)
def test_operations_of_a_transcription_are_told_from_others(
    operation: dict[str, Any], *, belongs: bool
) -> None:
    assert _is_for_lines(json.dumps(operation)) is belongs
