"""A client's stream from its messages to its answers, with runs and engines that fail."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, override

import pytest

from callstream.errors import Unavailable, Undeliverable
from callstream.frames.client_messages import read_client
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream.ports import Connections
from callstream.relays.endings import Ending, Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.ports import LeaseStatus
from callstream.relays.run import RelayRun
from callstream.relays.sinks.conversation import Terms
from callstream.relays.sinks.conversing import ConversingSink, TranscriptionMaker
from callstream.relays.sinks.transcript_lines import LineDelivery, TranscriptLines
from callstream.relays.sinks.transcription import TranscriptionSink
from callstream.relays.timings import RelayTimings
from callstream.surfaces.clients import CONVERSATIONS
from callstream.transcription.engine import EngineFailed
from callstream.transcription.model import TranscriptionSettings
from tests.relays import make_relay
from tests.unit.items import started_stream
from tests.unit.relays.scenes import CallSource, Feed, Lease, play_without_waiting
from tests.unit.relays.sinks.test_transcription import Table, speech
from tests.unit.transcription.scripted_engine import ScriptedEngine, ScriptedSession, sound

BEGAN = 1_000_000
START = {
    "message": "startStream",
    "sender": {"role": "customer", "externalId": "c"},
    "redactionOutput": "unredacted",
}
FINISH = {"message": "finishStream"}


class Client(Connections):
    """The client's side. `fails` are the next messages that API Gateway does not take."""

    def __init__(self, hung_up: Callable[[], None]) -> None:
        self.answers: list[dict[str, Any]] = []
        self.closed = 0
        self.gone = False
        self.fails = self.refuses = 0
        self._hung_up = hung_up

    @override
    def post(self, connection_id: str, data: bytes) -> bool:
        assert connection_id == "connection-s1"
        if self.refuses:
            self.refuses -= 1
            raise Undeliverable("apigateway", "PayloadTooLargeException")
        if self.fails:
            self.fails -= 1
            raise Unavailable("apigateway", "LimitExceededException")
        assert not self.closed
        if self.gone:
            return False
        self.answers.append(json.loads(data))
        return True

    @override
    def active_at(self, connection_id: str) -> datetime | None:
        raise NotImplementedError

    @override
    def close(self, connection_id: str) -> None:
        self.closed += 1
        self._hung_up()


class Maker(TranscriptionMaker):
    """Makes the real sink of a transcription."""

    def __init__(self, scene: "Scene") -> None:
        self.scene = scene

    @property
    @override
    def lines(self) -> LineDelivery:
        return self.scene.table

    @override
    def make(self, settings: TranscriptionSettings, lines: LineDelivery) -> TranscriptionSink:
        relay = self.scene.relay.model_copy(update={"transcription": settings})
        return TranscriptionSink(
            relay,
            self.scene.engine,
            TranscriptLines(lines, relay.relay_id, ("inbound",)),
            self.scene.table,
            clock=self.scene.clock,
            timings=RelayTimings(),
        )


class Scene:
    """A client whose words are those of `sound`."""

    def __init__(self, engine: ScriptedEngine | None = None) -> None:
        self.engine = engine or ScriptedEngine()
        self.table, self.lease = Table(), Lease()
        self.client = Client(self.hang_up)
        self.relay = make_relay(
            "s1",
            sink="transcription",
            track="inbound_track",
            dialect="asapp",
            since=BEGAN,
            transcription={},
            created_at=BEGAN,
        )
        stream = started_stream(
            "s1", connected_at=BEGAN, started_at=BEGAN, dialect="asapp", encoding="L16"
        )
        self.streams, self.all_streams = [stream], [stream]
        self.records: list[Record] = []
        self.feeds: list[Feed] = []
        self.numbers = 0
        self.began = asyncio.get_running_loop().time()

    def clock(self) -> float:
        return BEGAN / 1000 + asyncio.get_running_loop().time() - self.began

    def run(
        self, kind: RunKind = RunKind.FIRST, seconds: float = 900
    ) -> asyncio.Task[Outcome | None]:
        source, timings = CallSource(self), RelayTimings()
        self.feeds.append(source.feed)
        converses = partial(CONVERSATIONS["asapp"], terms=Terms(self.engine.languages))
        made = RelayRun(
            self.lease,
            source,
            ConversingSink(self.client, converses, Maker(self), clock=self.clock),
            clock=self.clock,
            seconds=seconds,
            timings=timings,
            since=BEGAN / 1000,
        )
        return asyncio.create_task(made.run(kind))

    def send(self, *messages: dict[str, Any] | str) -> None:
        for message in messages:
            text = message
            if not isinstance(message, str):
                self.numbers += 1
                text = json.dumps(message | {"sequence": self.numbers})
            self.bring(read_client("asapp", str(text), "s1", None).event)

    def bring(self, event: RecordEvent) -> None:
        at = round(self.clock() * 1000)
        self.records.append(Record("s1", "acme", "autotranscribe", "asapp", at, event))
        for feed in self.feeds:
            feed.put([self.records[-1]])

    async def say(self, audio: bytes) -> None:
        """Send audio in real time, 100 ms a message."""
        for at in range(0, len(audio), 1600):
            payload = b64encode(audio[at : at + 1600]).decode()
            self.send({"message": "audio", "payload": payload})
            await asyncio.sleep(0.1)

    def hang_up(self) -> None:
        """The connection is closed."""
        self.client.gone = True
        self.bring(Disconnected(1000, ""))
        self.streams.clear()

    @property
    def kinds(self) -> list[str]:
        return [answer["message"] for answer in self.client.answers]

    @property
    def words(self) -> list[str]:
        said = [each for each in self.client.answers if each["message"] == "transcript"]
        return [each["utterance"][0]["text"] for each in said]

    @property
    def code(self) -> str:
        assert self.client.closed == 1
        last: str = self.client.answers[-1]["status"]["code"]
        return last


def test_client_gets_its_answers_and_lines_and_then_the_last_message() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500) + sound(0, 2000) + sound(8, 300))
        scene.send({"message": "updateVocabulary", "phrases": [{"phrase": "x"}]}, FINISH)

        assert await running == Outcome(Ending.CONSUMER)
        assert scene.kinds == [
            "startResponse",
            "transcript",
            "vocabularyResponse",
            "transcript",
            "finalResponse",
        ]
        assert scene.words == ["7:500", "8:300"]
        assert scene.client.answers[3]["start"] == 2500
        assert scene.code == "1000"
        assert scene.client.answers[-1]["summary"] == {
            "totalAudioBytes": 2800 * 16,
            "audioDurationMs": 2800,
            "streamingSeconds": 3,
            "transcripts": 2,
        }
        # The lines are kept, too.
        assert scene.table.words("inbound") == ["7:500", "8:300"]
        assert len(scene.table.sent) == 2

    play_without_waiting(act)


def test_answers_are_sent_again_if_api_gateway_does_not_take_them() -> None:
    async def act() -> None:
        scene = Scene()
        scene.client.fails = 3
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500) + sound(0, 6000))
        scene.client.fails = 2
        await scene.say(sound(8, 500))
        scene.send(FINISH)
        await running

        assert scene.kinds[0] == "startResponse"
        assert scene.words == ["7:500", "8:500"]
        assert scene.client.answers[-1]["summary"]["transcripts"] == 2

    play_without_waiting(act)


def test_answer_that_api_gateway_never_takes_is_lost_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene()
        scene.client.refuses = 1
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500))
        scene.send(FINISH)
        await running

        assert scene.kinds[0] != "startResponse"
        assert scene.words == ["7:500"]

    play_without_waiting(act)
    assert "a message to the client is lost" in caplog.text


def test_message_that_is_wrong_ends_the_stream_after_the_words_before_it() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500))
        await asyncio.sleep(2)
        scene.send("{")

        assert await running == Outcome(Ending.CONSUMER)
        assert scene.words == ["7:500"]
        assert scene.code == "4040"

    play_without_waiting(act)


def test_silent_client_is_hung_up_on() -> None:
    async def act() -> None:
        scene = Scene()

        assert await scene.run() == Outcome(Ending.CONSUMER)
        assert scene.kinds == ["finalResponse"]
        assert scene.code == "4083"
        assert 60 <= scene.clock() - BEGAN / 1000 < 62

    play_without_waiting(act)


def test_engine_that_fails_for_good_ends_the_stream() -> None:
    async def act() -> None:
        for failure, code in (
            (EngineFailed("quota", is_busy=True), "5002"),
            (EngineFailed("no", is_permanent=True), "4080"),
            (EngineFailed("broken"), "5000"),
        ):

            def refuse(_: ScriptedSession, failure: EngineFailed = failure) -> None:
                raise failure

            scene = Scene(ScriptedEngine(refuse))
            running = scene.run()
            scene.send(START)
            await scene.say(sound(7, 500))
            outcome = await running

            assert outcome is not None
            assert outcome.ending.is_final
            assert scene.kinds == ["startResponse", "finalResponse"]
            assert scene.code == code

    play_without_waiting(act)


def test_client_is_told_if_its_audio_had_to_be_dropped() -> None:
    async def act() -> None:
        failing = [EngineFailed("quota", is_busy=True)] * 3

        def refuse(_: ScriptedSession) -> None:
            if failing:
                raise failing.pop()

        scene = Scene(ScriptedEngine(refuse))
        running = scene.run()
        scene.send(START)
        for _ in range(120):
            payload = b64encode(sound(7, 500) + sound(0, 500)).decode()
            scene.send({"message": "audio", "payload": payload})
        await asyncio.sleep(30)
        scene.send(FINISH)

        assert await running == Outcome(Ending.CONSUMER)
        assert scene.code == "5000"
        assert 0 < len(scene.words) < 120

    play_without_waiting(act)


def test_client_that_is_gone_ends_the_relay_and_its_words_are_kept() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500))
        scene.hang_up()

        assert await running == Outcome(Ending.CALL)
        assert scene.kinds == ["startResponse"]
        assert scene.table.words("inbound") == ["7:500"]

    play_without_waiting(act)


def slow_to_finish(session: ScriptedSession) -> None:
    """Let a session take its time for the last words."""
    finish = session.finish

    async def later() -> None:
        await asyncio.sleep(4)
        await finish()

    session.finish = later  # type: ignore[method-assign]


def test_client_that_leaves_while_its_last_words_come_ends_the_relay_with_them() -> None:
    async def act() -> None:
        scene = Scene(ScriptedEngine(slow_to_finish))
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500) + sound(0, 5000) + sound(8, 300))
        scene.send(FINISH)
        await asyncio.sleep(1)
        scene.hang_up()

        assert await running == Outcome(Ending.CALL)
        assert scene.table.words("inbound") == ["7:500", "8:300"]
        assert len(scene.engine.sessions) == 1

    play_without_waiting(act)


def test_relay_that_is_stopped_ends_the_stream() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500))
        scene.lease.status_now = LeaseStatus.STOPPED

        assert await running == Outcome(Ending.COMMAND)
        assert scene.words == ["7:500"]
        assert scene.code == "5001"

    play_without_waiting(act)


def test_answer_that_a_run_could_not_send_is_sent_by_the_next_run() -> None:
    async def act() -> None:
        scene = Scene()
        scene.client.fails = 99
        first = scene.run()
        scene.send(START)
        await scene.say(sound(0, 5000))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert scene.lease.checkpoint is not None
        scene.client.fails = 0
        second = scene.run(RunKind.RESCUE)
        scene.send(FINISH)
        await second

        assert scene.kinds == ["startResponse", "finalResponse"]

    play_without_waiting(act)


@pytest.mark.parametrize("seed", range(6))
def test_runs_that_die_lose_no_word_and_no_count(seed: int) -> None:
    async def act() -> None:
        random = Random(seed)  # noqa: S311  # a scene, not a secret
        scene = Scene()
        running = scene.run()

        async def kill() -> None:
            nonlocal running
            while True:
                # Some runs are too short for a checkpoint of their own.
                await asyncio.sleep(random.uniform(3, 12))
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                running = scene.run(RunKind.RESCUE)

        killing = asyncio.create_task(kill())
        scene.client.fails = 2
        scene.send(START)
        audio, words = speech(random, 1, 60)
        audio += bytes(-len(audio) % 1600)
        await scene.say(audio)
        killing.cancel()
        scene.send({"message": "updateVocabulary", "phrases": [{"phrase": "x"}]}, FINISH)

        assert await running == Outcome(Ending.CONSUMER)
        # A line may come twice, with the same start.
        lines = {
            answer["start"]: answer["utterance"][0]["text"]
            for answer in scene.client.answers
            if answer["message"] == "transcript"
        }
        assert " ".join(lines[start] for start in sorted(lines)).split() == words
        assert scene.kinds.count("finalResponse") == 1
        assert "startResponse" in scene.kinds
        assert scene.code == "1000"
        assert scene.client.answers[-1]["summary"]["totalAudioBytes"] == len(audio)
        assert scene.client.answers[-1]["summary"]["transcripts"] == len(lines)

    play_without_waiting(act)


def test_next_run_goes_on_with_the_conversation_and_its_counts() -> None:
    async def act() -> None:
        scene = Scene()
        first = scene.run()
        scene.send(START)
        await scene.say(sound(7, 500) + sound(0, 6000) + sound(8, 1000))
        # The run dies in the middle of a word.
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = scene.run(RunKind.RESCUE)
        await scene.say(sound(8, 1000) + sound(0, 3000) + sound(9, 400))
        scene.send(FINISH)

        assert await second == Outcome(Ending.CONSUMER)
        assert scene.words == ["7:500", "8:2000", "9:400"]
        assert scene.kinds.count("startResponse") == 1
        summary = scene.client.answers[-1]["summary"]
        assert summary["totalAudioBytes"] == 11_900 * 16
        assert summary["transcripts"] == 3

    play_without_waiting(act)
