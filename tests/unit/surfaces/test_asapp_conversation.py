"""ASAPP's protocol: which messages get which answers, and how every conversation ends."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import Media, Vocabulary
from callstream.frames.client_messages import read_client
from callstream.frames.records import Disconnected, Halted, Record, Transcript
from callstream.relays.merger import StreamMerger
from callstream.relays.sinks.conversation import (
    Answer,
    Begin,
    Close,
    Failure,
    Finish,
    Hear,
    Step,
    Terms,
)
from callstream.surfaces.asapp_conversation import AsappConversation
from callstream.transcription.model import Speaker, TranscriptionSettings

BEGAN = 1_795_262_400_000
SENDER = {"role": "agent", "externalId": "agent-7"}
START: dict[str, Any] = {"message": "startStream", "sender": SENDER}
FINISH: dict[str, Any] = {"message": "finishStream"}
WORDS: dict[str, Any] = {"message": "updateVocabulary", "phrases": [{"phrase": "IEEE"}]}
BOTH = Terms({"en-US", "es-US"})


def audio(number: int, size: int = 320) -> dict[str, Any]:
    payload = bytes([number % 251, 0]) * (size // 2)
    return {"message": "audio", "sequence": number, "payload": b64encode(payload).decode()}


def sound(messages: Iterable[dict[str, Any]]) -> bytes:
    """The audio of messages, as records have it."""
    swapped = bytearray()
    for message in messages:
        if message["message"] == "audio":
            payload = b64decode(message["payload"])
            swapped += bytes(
                each for pair in zip(payload[1::2], payload[::2], strict=True) for each in pair
            )
    return bytes(swapped)


class Host:
    """Does what the sink does with the steps, with an engine that gives a line for each Finish."""

    def __init__(self, terms: Terms = BOTH, *, fails: Failure | None = None) -> None:
        self.conversation = AsappConversation("stream-1", BEGAN, terms)
        self.fails = fails
        self.answers: list[dict[str, Any]] = []
        self.heard = b""
        self.times: list[int] = []
        self.settings: TranscriptionSettings | None = None
        self.learnt: list[str] = []
        self.closed = 0
        self.now = BEGAN

    def say(self, *messages: dict[str, Any] | str, at: int | None = None) -> "Host":
        for message in messages:
            self.now = self.now + 20 if at is None else at
            text = message if isinstance(message, str) else json.dumps(message)
            event = read_client("asapp", text, "stream-1", None).event
            assert not isinstance(event, Transcript)
            self.do(self.conversation.take(event, self.now))  # type: ignore[arg-type]
        return self

    def wait(self, until: int) -> "Host":
        self.now = max(self.now, until)
        self.do(self.conversation.expire(self.now))
        return self

    def line(self, number: int) -> None:
        line = Transcript("stream-1", number, "inbound", 0, 1840, "en-US", "Hello.")
        text = self.conversation.line(line)
        if text is not None:
            self.answers.append(json.loads(text))
            self.conversation.count_line()

    def do(self, steps: Sequence[Step]) -> None:
        # The next run of the relay goes on from here.
        left = self.conversation.snapshot()
        terms = self.conversation._terms
        self.conversation = AsappConversation("stream-1", BEGAN, terms, left)
        for step in steps:
            match step:
                case Begin(settings):
                    assert self.settings is None
                    self.settings = settings
                    if self.fails:
                        self.do(self.conversation.failed(self.fails, self.now))
                        return
                case Hear(Media() as frame):
                    self.times.append(frame.timestamp)
                    self.heard += frame.audio
                case Hear(Vocabulary() as vocabulary):
                    self.learnt += [each.phrase for each in vocabulary.phrases]
                case Answer(text):
                    assert not self.closed
                    self.answers.append(json.loads(text))
                case Finish():
                    self.line(1)
                    self.do(self.conversation.finished(self.now))
                case Close():
                    self.closed += 1

    @property
    def kinds(self) -> list[str]:
        return [answer["message"] for answer in self.answers]

    @property
    def code(self) -> str:
        """The status code of the last message."""
        assert self.kinds[-1] == "finalResponse"
        assert self.closed == 1
        code: str = self.answers[-1]["status"]["code"]
        return code


def test_conversation_goes_as_documented() -> None:
    host = Host().say(START, audio(1), WORDS)
    host.line(1)
    host.say(audio(2), FINISH)

    assert host.kinds == [
        "startResponse",
        "vocabularyResponse",
        "transcript",
        "transcript",
        "finalResponse",
    ]
    assert host.answers[2] == {
        "message": "transcript",
        "start": 0,
        "end": 1840,
        "utterance": [{"text": "Hello."}],
    }
    assert host.code == "1000"
    assert host.answers[-1]["streamId"] == host.answers[0]["streamID"] == "stream-1"
    assert host.answers[-1]["summary"] == {
        "totalAudioBytes": 640,
        "audioDurationMs": 40,
        "streamingSeconds": 0,
        "transcripts": 2,
    }
    assert host.heard == sound([audio(1), audio(2)])
    assert host.times == [0, 20]
    assert host.learnt == ["IEEE"]


def test_settings_are_those_of_start_stream() -> None:
    given_ = {"language": "es-US", "smartFormatting": False, "detailedToken": True}
    host = Host().say(START | given_ | {"redactionOutput": "unredacted"})

    assert host.settings == TranscriptionSettings(
        language="es-US",
        smart_formatting=False,
        word_times=True,
        redaction="unredacted",
        speakers={
            "inbound": Speaker(transcript_id="stream-1", role="agent", external_id="agent-7")
        },
    )


def test_text_is_redacted_by_default() -> None:
    for given_ in ({}, {"detailedToken": True}, {"smartFormatting": False}):
        settings = Host().say(START | given_).settings

        assert settings is not None
        assert settings.redaction == "redacted"
    settings = Host().say(START | {"redactionOutput": "redacted_and_unredacted"}).settings
    assert settings is not None
    assert settings.redaction == "both"


MANY = [{"phrase": f"word {number}"} for number in range(150)]
ENGLISH, ALWAYS = Terms({"en-US"}), Terms({"en-US"}, always_redacts=True)


@pytest.mark.parametrize(
    ("messages", "terms", "code"),
    [
        (["{"], BOTH, "4040"),
        ([START, {"message": "pauseStream"}], BOTH, "4040"),
        ([START | {"sender": {}}], BOTH, "4040"),
        ([START | {"language": "fr-FR"}], BOTH, "4050"),
        ([START | {"language": "es-US"}], ENGLISH, "4050"),
        ([START | {"encoding": "FLAC"}], BOTH, "4051"),
        ([START | {"samplingRate": 16_000}], BOTH, "4053"),
        ([START, START], BOTH, "4056"),
        ([START, audio(1) | {"payload": "AA="}], BOTH, "4082"),
        ([START, WORDS | {"phrases": MANY}, WORDS | {"phrases": MANY}], BOTH, "4084"),
        ([START, WORDS | {"phrases": [{"phrase": "x" * 257}]}], BOTH, "4084"),
        (
            [START, WORDS | {"phrases": [{"phrase": "x", "soundsLike": ["é" * 250] * 2}]}],
            BOTH,
            "4084",
        ),
        ([START, WORDS | {"phrases": []}], BOTH, "4091"),
        ([START | {"redactionOutput": "redacted", "smartFormatting": False}], BOTH, "4092"),
        ([START | {"redactionOutput": "redacted", "detailedToken": True}], BOTH, "4093"),
        ([START | {"redactionOutput": "unredacted"}], ALWAYS, "4094"),
        ([START | {"redactionOutput": "redacted_and_unredacted"}], ALWAYS, "4094"),
        ([START | {"redactionOutput": "redacted"}, FINISH], ALWAYS, "1000"),
    ],
)
def test_message_gets_its_status_code(messages: Any, terms: Terms, code: str) -> None:
    host = Host(terms).say(*messages)

    assert host.code == code
    assert host.kinds.count("finalResponse") == 1
    # Nothing is answered any more.
    answers = len(host.answers)
    host.say(START, FINISH, WORDS, audio(9)).wait(host.now + 8_000_000)
    assert len(host.answers) == answers


def test_language_that_the_engine_lacks_is_refused_with_the_reason() -> None:
    status = Host(ENGLISH).say(START | {"language": "es-US"}).answers[-1]["status"]

    assert status["description"].endswith("es-US is transcribed by Amazon Transcribe only")


@pytest.mark.parametrize(
    ("fails", "code"),
    [(Failure.BUSY, "5002"), (Failure.BROKEN, "5000"), (Failure.REFUSED, "4080")],
)
def test_engine_that_fails_has_its_status_code(fails: Failure, code: str) -> None:
    host = Host(fails=fails).say(START)

    assert host.kinds == ["startResponse", "finalResponse"]
    assert host.code == code


def test_relay_that_ends_before_its_client_says_so() -> None:
    host = Host().say(START, audio(1))
    host.do(host.conversation.stopped(host.now))

    assert host.code == "5001"


def test_silent_client_is_idle_after_a_minute() -> None:
    for messages in ([], [START]):
        host = Host().say(*messages)
        deadline = host.conversation.deadline
        assert deadline == host.now + 60_000
        assert not host.wait(deadline - 1).closed
        assert host.wait(deadline).code == "4083"


def test_messages_keep_a_client_from_being_idle_and_those_of_others_do_not() -> None:
    host = Host().say(START, audio(1), at=BEGAN + 59_000)
    host.say(WORDS, at=BEGAN + 118_000)
    host.do(host.conversation.take(Halted("other"), BEGAN + 170_000))

    assert host.conversation.deadline == BEGAN + 178_000


def test_stream_ends_before_api_gateway_ends_it() -> None:
    host = Host().say(START)
    for minute in range(1, 118):
        host.say(audio(minute), at=BEGAN + minute * 59_999)
    host.say(audio(200), at=BEGAN + 7_050_000)

    assert host.conversation.deadline == BEGAN + 7_080_000
    assert host.wait(BEGAN + 7_080_000).code == "4090"
    assert host.answers[-1]["summary"]["streamingSeconds"] == 7080


def test_messages_that_overtake_start_stream_wait_for_it() -> None:
    host = Host().say(audio(1), WORDS, audio(2), START, FINISH)

    assert host.kinds[:2] == ["startResponse", "vocabularyResponse"]
    assert host.heard == sound([audio(1), audio(2)])
    assert host.code == "1000"


def test_messages_without_start_stream_wait_two_seconds_at_most() -> None:
    host = Host().say(audio(1))
    assert not host.wait(BEGAN + 2019).closed
    assert host.wait(BEGAN + 2020).code == "4056"
    # Or fewer, if they are very many.
    assert Host().say(*(audio(number, 20_000) for number in range(1, 60))).code == "4056"
    assert Host().say(*(WORDS for _ in range(501))).code == "4056"
    assert Host().say(FINISH, FINISH, at=BEGAN).say(FINISH, at=BEGAN + 2000).code == "4056"


def test_other_message_after_finish_stream_changes_the_code_and_audio_does_not() -> None:
    for late, code in ((audio(9), "1000"), (WORDS, "4056"), (FINISH, "4056"), ("{", "4056")):
        conversation = AsappConversation("stream-1", BEGAN, BOTH)
        for message in (START, FINISH, late):
            text = message if isinstance(message, str) else json.dumps(message)
            conversation.take(read_client("asapp", text, "stream-1", None).event, BEGAN)  # type: ignore[arg-type]
        last, close = conversation.finished(BEGAN)

        assert isinstance(last, Answer)
        assert json.loads(last.text)["status"]["code"] == code
        assert close == Close()


def test_client_that_is_gone_gets_no_answers() -> None:
    host = Host().say(START, audio(1))
    host.do(host.conversation.take(Disconnected(1000, ""), host.now))
    host.line(1)
    host.do(host.conversation.stopped(host.now))

    assert host.kinds == ["startResponse"]
    assert not host.closed


def conversing(plan: list[dict[str, Any]], *, numbered: bool) -> list[dict[str, Any]]:
    """The messages with their numbers: of all messages, or of the audio alone."""
    made, number = [], 0
    for message in plan:
        if numbered or message["message"] == "audio":
            number += 1
            made.append(message | {"sequence": number})
        else:
            made.append(message)
    return made


def deliver(texts: Iterable[tuple[int, str]], host: Host, random: Random, delay_ms: int) -> None:
    """Let a merger give messages to a conversation that come late, and out of order."""
    merger, arrivals = StreamMerger(), []
    merger.expect_whole(["stream-1"])
    for at, text in texts:
        event = read_client("asapp", text, "stream-1", None).event
        record = Record("stream-1", "acme", "autotranscribe", "asapp", at, event)
        arrivals.append((at + random.randrange(delay_ms + 1), record))
        if random.random() < 0.1:
            arrivals.append((at + random.randrange(2000), record))
    for arrived_at, record in sorted(arrivals, key=lambda each: each[0]):
        pending = merger.deadline
        if pending is not None and pending * 1000 < arrived_at:
            take(merger, [], pending, host)
        host.now = max(host.now, arrived_at)
        take(merger, [record], host.now / 1000, host)
    while (deadline := merger.deadline) is not None:
        take(merger, [], deadline, host)


def take(merger: StreamMerger, records: list[Record], now: float, host: Host) -> None:
    for _, event, received_at in merger.take(records, now):
        host.do(host.conversation.take(event, received_at))


plans = st.lists(st.sampled_from([audio(1), audio(1, 1600), WORDS]), max_size=60)


@given(plan=plans, numbered=st.booleans(), seed=st.integers(0, 2**32))
def test_shuffled_conversation_is_as_if_in_order(
    *, plan: list[dict[str, Any]], numbered: bool, seed: int
) -> None:
    messages = conversing([START, *plan, FINISH], numbered=numbered)
    texts = [(BEGAN + place * 20, json.dumps(each)) for place, each in enumerate(messages)]
    host = Host()
    deliver(texts, host, Random(seed), 400)  # noqa: S311

    assert host.code == "1000"
    assert host.kinds.count("finalResponse") == host.kinds.count("startResponse") == 1
    assert host.kinds.count("vocabularyResponse") == plan.count(WORDS)
    assert host.heard == sound(messages)
    assert host.answers[-1]["summary"]["totalAudioBytes"] == len(sound(messages))


@given(
    plan=st.lists(st.sampled_from([START, audio(1), audio(1, 1600), WORDS, FINISH]), max_size=40),
    numbered=st.booleans(),
    faults=st.lists(st.sampled_from(["", "", "", "", "drop", "cut", "odd"]), min_size=40),
    seed=st.integers(0, 2**32),
)
def test_every_conversation_has_one_last_message_with_true_counts(
    *, plan: list[dict[str, Any]], numbered: bool, faults: list[str], seed: int
) -> None:
    random, texts = Random(seed), []  # noqa: S311
    for place, (message, fault) in enumerate(
        zip(conversing(plan, numbered=numbered), faults, strict=False)
    ):
        text = json.dumps(message)
        if fault == "cut":
            text = text[: random.randrange(len(text))]
        elif fault == "odd":
            text = text.replace('"s', '"S', 1)
        if fault != "drop":
            texts.append((BEGAN + place * 20, text))
    host = Host()
    deliver(texts, host, random, 3000)
    for _ in range(3):
        host.wait(host.conversation.deadline or host.now)

    assert host.code in {"1000", "4040", "4056", "4082", "4083", "4091"}
    assert host.kinds.count("finalResponse") == 1
    assert host.kinds.count("startResponse") <= 1
    summary = host.answers[-1]["summary"]
    assert summary["totalAudioBytes"] == len(host.heard)
    assert summary["audioDurationMs"] == len(host.heard) // 16
    assert summary["transcripts"] == host.kinds.count("transcript")
    assert summary["streamingSeconds"] >= 0
