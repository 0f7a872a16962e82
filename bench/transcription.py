"""Transcription: what the offline engine understands and costs, and how soon its lines arrive.

The audio are the sentences of tests/speech: two speakers in turns, on a track each. The engine
runs in this process first, then in the deployed function, with the same audio in real time.
"""

import asyncio
import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import audioop
import boto3

from bench.billing import PRICES, Counts
from bench.calls import meter
from bench.measures import BenchError, Measure
from bench.samples import ROOT
from callstream.adapters.speech.engine import OfflineEngine
from callstream.dialects.events import Track
from callstream.tenants.directory import NewWebhook
from callstream.transcription.engine import EngineFailed, SessionSettings
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.demo.landing import percentile
from callstream_cli.gateway import GatewayError, media_url, start_streaming
from callstream_cli.local import aws
from callstream_cli.local.description import StackDescription
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.process import free_port
from callstream_cli.local.progress import Silence
from callstream_cli.local.stack import STACK_NAME, LocalStack
from callstream_cli.operator.administration import Administration
from tests.speech_samples import Sample, sentences, synthesise
from tests.stack.tenant_server import TenantServer
from tests.word_error_rate import word_error_rate

MOST_WRONG: Final = 8.0
"""Per cent of the words."""
CPU_BUDGET: Final = 0.3
"""CPU seconds for a second of both speakers; the function has 0.58 of a processor."""
SOONER: Final = 2.5
"""How many times as long as the engine's own final a webhook may take on the local stack."""
AMAZON_AN_HOUR: Final = 1.44
"""Amazon Transcribe's list price for an hour of one stream, us-east-1, autumn 2026."""
READS_AN_HOUR: Final = 3600
"""How often Lambda on AWS reads the frames for the fan-out, which sends each batch on."""

_TRACKS: Final[tuple[Track, Track]] = ("inbound", "outbound")
_BYTES_A_MS: Final = 16
_PIECE_MS: Final = 100
_PAUSE_MS: Final = 1_500
_LOUD: Final = 500
_WINDOW_MS: Final = 20
# A line belongs to the sentence that ends about when the line does.
_NEAR_MS: Final = 700
_SHORT, _LONG = 2, 10
_HOUR: Final = 3600
_PATIENCE_SECONDS: Final = 60
# After its last line, a run ends and writes its summary.
_ENDING_SECONDS: Final = 8
_FUNCTIONS: Final = frozenset({"TranscriptionFunction", "CallbackDeliveryFunction"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a conversation, and when its speaker's voice ends, in milliseconds."""

    track: int
    text: str
    end_ms: int


@dataclass(slots=True)
class Conversation:
    """Two speakers in turns: linear PCM at 8 kHz on each track."""

    tracks: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    sentences: list[Sentence] = field(default_factory=list)

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Conversation":
        """These sentences, with a pause after each."""
        made = cls()
        for at, sample in enumerate(samples):
            audio = synthesise(*sample)
            begin_ms = len(made.tracks[0]) // _BYTES_A_MS
            end_ms = begin_ms + _voice_ends_ms(audio)
            made.sentences.append(Sentence(at % 2, sample.text, end_ms))
            pause = bytes(_PAUSE_MS * _BYTES_A_MS)
            made.tracks[at % 2].extend(audio + pause)
            made.tracks[1 - at % 2].extend(bytes(len(audio)) + pause)
        return made

    @property
    def seconds(self) -> float:
        """How long the conversation takes."""
        return len(self.tracks[0]) / _BYTES_A_MS / 1000

    def stereo(self) -> bytes:
        """Both tracks, interleaved."""
        left, right = (bytes(track) for track in self.tracks)
        return audioop.add(audioop.tostereo(left, 2, 1, 0), audioop.tostereo(right, 2, 0, 1), 2)

    def said(self, track: int) -> str:
        """All sentences of a track."""
        return " ".join(each.text for each in self.sentences if each.track == track)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and when it came, in seconds after the beginning of the audio."""

    track: int
    text: str
    end_ms: int
    came_at: float


def measure(state_dir: Path, port: int | None) -> list[Measure]:
    """Run the engine in this process, then the local stack.

    Raises:
        BenchError: there is no engine here, the stack failed, or lines did not come.
    """
    whole, spoken = Conversation.of(sentences()), Conversation.of(sentences()[:_LONG])
    try:
        cpu_before = _cpu_seconds()
        understood = asyncio.run(_recognised(whole, real_time=False))
        cpu = (_cpu_seconds() - cpu_before) / whole.seconds
        own = delays(spoken, asyncio.run(_recognised(spoken, real_time=True)))
    except EngineFailed as failed:
        raise BenchError(f"the offline engine has failed: {failed.reason}") from None
    pairs = [
        (whole.said(track), " ".join(line.text for line in understood if line.track == track))
        for track in (0, 1)
    ]
    webhook, counted = _deployed(spoken, state_dir, port)
    return [
        Measure(
            "transcription",
            "words understood wrongly, twenty sentences",
            word_error_rate(pairs) * 100,
            "%",
            budget=MOST_WRONG,
            digits=1,
        ),
        Measure(
            "transcription",
            "CPU for a second of two speakers",
            cpu,
            "s",
            against="real time",
            floor=1,
            budget=CPU_BUDGET,
            digits=3,
        ),
        *(
            Measure(
                "transcription",
                f"end of an utterance to its webhook, p{percent}",
                percentile(webhook, percent) * 1000,
                "ms",
                against="to the engine's line, in this process",
                floor=percentile(own, percent) * 1000,
                budget=budget,
                digits=0,
            )
            for percent, budget in ((50, SOONER), (90, None))
        ),
        *costs(counted),
    ]


def delays(spoken: Conversation, lines: Sequence[Line]) -> list[float]:
    """Seconds from the end of each sentence to its line.

    Raises:
        BenchError: a sentence has no line.
    """
    found: list[float] = []
    for sentence in spoken.sentences:
        own = [
            line
            for line in lines
            if line.track == sentence.track and abs(line.end_ms - sentence.end_ms) < _NEAR_MS
        ]
        if not own:
            raise BenchError(f"no line has come of: {sentence.text}")
        found.append(own[0].came_at - sentence.end_ms / 1000)
    return found


def costs(hour: Counts) -> list[Measure]:
    """Dollars for an hour of a transcribed call, beyond its media."""
    operations = sum(hour.cost(name) for name in PRICES if name != "Lambda GB-seconds")
    time_of_function = hour.cost("Lambda GB-seconds")
    offline = operations + time_of_function
    return [
        Measure(
            "transcription",
            f"an hour of a transcribed call, {name}, beyond its media",
            value,
            "$",
            against="Amazon's price for the stream alone",
            floor=AMAZON_AN_HOUR,
            digits=3,
        )
        for name, value in (("offline", offline), ("amazon", offline + AMAZON_AN_HOUR))
    ] + [
        Measure("transcription", "of it Lambda's time", time_of_function, "$", digits=3),
        Measure("transcription", "of it all other operations", operations, "$", digits=3),
    ]


def _cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _voice_ends_ms(audio: bytes) -> int:
    """When the last loud sound ends."""
    step = _WINDOW_MS * _BYTES_A_MS
    starts = range(0, len(audio) - step + 1, step)
    last = max(at for at in starts if audioop.max(audio[at : at + step], 2) > _LOUD)
    return (last + step) // _BYTES_A_MS


async def _recognised(spoken: Conversation, *, real_time: bool) -> list[Line]:
    session = await OfflineEngine().open(SessionSettings("en-US", channels=2))
    lines: list[Line] = []
    began = time.monotonic()

    async def receive() -> None:
        while utterance := await session.receive():
            came_at = time.monotonic() - began
            lines.append(Line(utterance.channel, utterance.text, utterance.end_ms, came_at))

    try:
        receiving = asyncio.create_task(receive())
        audio, step = spoken.stereo(), _PIECE_MS * _BYTES_A_MS * 2
        for number, at in enumerate(range(0, len(audio), step), 1):
            if real_time:
                await asyncio.sleep(began + number * _PIECE_MS / 1000 - time.monotonic())
            await session.feed(audio[at : at + step])
        await session.finish()
        await receiving
    finally:
        await session.close()
    return lines


# ── the local stack ──────────────────────────────────────────────────────────────────────────────


def _deployed(
    spoken: Conversation, state_dir: Path, port: int | None
) -> tuple[list[float], Counts]:
    """The delays of webhooks, and what is billed for an hour of a call."""
    local = LocalStack(ROOT, state_dir=state_dir, port=port or free_port())
    stack: _Stack | None = None
    try:
        stack = _Stack(local.up(Silence()), state_dir / "ledger.jsonl")
        short = Conversation.of(sentences()[:_SHORT])
        # In this call functions start.
        stack.play(short)
        _, little = stack.play(short)
        lines, much = stack.play(spoken)
    except (LocalStackError, GatewayError) as error:
        raise BenchError(str(error)) from None
    finally:
        if stack is not None:
            stack.webhook.stop()
        local.down()
    further = (_HOUR - short.seconds) / (spoken.seconds - short.seconds)
    hour = little + (much - little) * further
    return delays(spoken, lines), hour + Counts(
        {
            "Lambda GB-seconds": _HOUR * stack.memory_mb / 1024,
            "Lambda invocations": READS_AN_HOUR,
            "WebSocket messages": READS_AN_HOUR,
        }
    )


class _Stack:
    """A metered local stack, whose demo tenant has a webhook for transcripts."""

    def __init__(self, description: StackDescription, ledger: Path) -> None:
        self._description = description
        self._ledger = ledger
        self._read_to = 0
        self._bodies: list[tuple[float, dict[str, Any]]] = []
        self.memory_mb = meter(description, ledger)["TranscriptionFunction"]
        self.webhook = TenantServer(self._take)
        with aws.talking_to(description["aws_endpoint_url"]):
            found = boto3.client("cloudformation").describe_stacks(StackName=STACK_NAME)
            outputs = found["Stacks"][0]["Outputs"]
            Administration(
                {each["OutputKey"]: each["OutputValue"] for each in outputs}
            ).change_tenant(
                "demo",
                lambda tenant: {
                    "webhooks": {**tenant.webhooks, "asapp": NewWebhook(url=self.webhook.origin)}
                },
            )

    def _take(self, _path: str, _headers: Message, body: bytes) -> int:
        self._bodies.append((time.time(), json.loads(body)))
        return 200

    def play(self, spoken: Conversation) -> tuple[list[Line], Counts]:
        """Play a conversation as a transcribed call: its lines, and operations beyond its media."""
        call_id = f"CA{uuid4().hex}"
        before = len(self._bodies)
        audio = [audioop.lin2ulaw(bytes(track), 2) for track in spoken.tracks]
        plan = CallPlan(dict(zip(_TRACKS, audio, strict=True)), call_id=call_id)
        start_streaming(self._description, call_id)
        report = asyncio.run(place_call(media_url(self._description, "autotranscribe"), plan))
        if report.error:
            raise BenchError(f"a call failed: {report.error}")
        lines = self._lines_of(call_id, report, before, len(spoken.sentences))
        return lines, self._counted()

    def _lines_of(self, call_id: str, report: CallReport, before: int, fewest: int) -> list[Line]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        lines: list[Line] = []
        while len(lines) < fewest:
            if time.monotonic() > deadline:
                raise BenchError(f"{len(lines)} of {fewest} lines came to the webhook")
            time.sleep(0.1)
            lines = [
                _line(came_at, body, report)
                for came_at, body in self._bodies[before:]
                if body["externalConversationId"] == call_id
            ]
        return lines

    def _counted(self) -> Counts:
        """What the functions of a transcription have done since the last time."""
        time.sleep(_ENDING_SECONDS)
        with self._ledger.open("rb") as file:
            file.seek(self._read_to)
            written = file.read()
        self._read_to += len(written)
        lines = [line for line in written.decode().splitlines() if _is_for_lines(line)]
        counts = Counts()
        for each in Counts.of_ledger(lines).values():
            counts += each
        return counts


def _is_for_lines(noted: str) -> bool:
    """Whether an operation belongs to a transcription, and does not depend on reads of frames."""
    operation: dict[str, Any] = json.loads(noted)
    function = operation["function"]
    if function == "FanOutFunction":
        return bool(operation["what"] == "capacity" or operation.get("service") == "dynamodb")
    return function in _FUNCTIONS


def _line(came_at: float, body: dict[str, Any], report: CallReport) -> Line:
    said = body["autotranscribeResponse"]
    track = 0 if body["sender"]["role"] == "customer" else 1
    began = report.frame_sent_at(_TRACKS[track], 1) or 0.0
    return Line(track, said["utterance"][0]["text"], said["end"], came_at - began)
