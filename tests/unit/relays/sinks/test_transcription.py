"""Transcriptions from the carrier's frames to lines, with runs that end at any moment."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, override

import pytest

from callstream.dialects.events import Media, SpokenPhrase, Start, Track, Vocabulary
from callstream.errors import Unavailable, UnreadableItem
from callstream.frames.records import Disconnected, Halted, Record, RecordEvent
from callstream.relays.endings import Ending, Outcome
from callstream.relays.halting import TrackSummary
from callstream.relays.invocation import RunKind
from callstream.relays.ports import LeaseStatus
from callstream.relays.run import RelayRun
from callstream.relays.sinks.transcript_lines import LineDelivery, TranscriptLines
from callstream.relays.sinks.transcription import CallBook, TranscriptionSink
from callstream.relays.timings import RelayTimings
from callstream.transcription.engine import EngineFailed, SessionSettings
from callstream.transcription.transcripts import KeptLine
from tests.relays import make_relay
from tests.unit.items import started_stream
from tests.unit.relays.scenes import CallSource, Feed, Lease, play_without_waiting
from tests.unit.transcription.scripted_engine import ScriptedEngine, ScriptedSession, sound

FRAME_MS = 20
TRACKS: tuple[Track, Track] = ("inbound", "outbound")


class Table(LineDelivery, CallBook):
    """What outlives the runs of a relay. `fails` are the next calls that a service refuses."""

    def __init__(self) -> None:
        self.kept: dict[tuple[Track, int], KeptLine] = {}
        self.sent: list[tuple[Track, int, bool]] = []
        self.summary: Mapping[Track, TrackSummary] | None = None
        self.stopped: int | None = None
        self.fails = 0
        self.is_sending = True

    def _answer(self) -> None:
        if self.fails:
            self.fails -= 1
            raise Unavailable("dynamodb", "Down")

    @override
    def last(self, track: Track) -> KeptLine | None:
        of_track = [kept for (each, _), kept in sorted(self.kept.items()) if each == track]
        return of_track[-1] if of_track else None

    @override
    def after(self, track: Track, number: int) -> Sequence[KeptLine]:
        return [kept for (each, at), kept in self.kept.items() if each == track and at > number]

    @override
    def keep(self, kept: KeptLine) -> bool:
        self._answer()
        key = (kept.line.track, kept.line.number)
        return self.kept.setdefault(key, kept) is kept

    @override
    def send(self, kept: KeptLine, *, again: bool) -> None:
        self._answer()
        if not self.is_sending:
            raise Unavailable("sqs", "Down")
        self.sent.append((kept.line.track, kept.line.number, again))

    @override
    def started_at(self) -> int | None:
        return 1_000_000

    @override
    def stopped_at(self) -> int | None:
        return self.stopped

    @override
    def write_summary(self, tracks: Mapping[Track, TrackSummary], seconds: int) -> None:
        assert seconds >= 0
        self.summary = tracks

    def words(self, track: Track) -> list[str]:
        return " ".join(
            kept.line.text for (each, _), kept in sorted(self.kept.items()) if each == track
        ).split()


class Scene:
    """A call of a carrier that sends linear PCM, transcribed with the words of `sound`."""

    def __init__(self, engine: ScriptedEngine | None = None, **fields: Any) -> None:
        self.engine = engine or ScriptedEngine()
        self.table, self.lease = Table(), Lease()
        self.fields: dict[str, Any] = {"since": 0, "redaction": "unredacted"} | fields
        self.relay_id = "relay-1"
        stream = started_stream(
            "s1",
            connected_at=1_000_000,
            started_at=1_000_000,
            encoding="L16",
            tracks=[*TRACKS],
        )
        self.streams, self.all_streams = [stream], [stream]
        self.records: list[Record] = []
        self.feeds: list[Feed] = []
        self.numbers = 0
        self.at_ms = 0
        self.began = asyncio.get_running_loop().time()

    def clock(self) -> float:
        return 1000 + asyncio.get_running_loop().time() - self.began

    def run(
        self, kind: RunKind = RunKind.FIRST, seconds: float = 900
    ) -> asyncio.Task[Outcome | None]:
        relay = make_relay(
            self.relay_id,
            sink="transcription",
            track="both_tracks",
            surface="asapp",
            since=self.fields["since"],
            transcription={"redaction": self.fields["redaction"]},
            created_at=1_000_000,
        )
        source = CallSource(self)
        self.feeds.append(source.feed)
        timings = RelayTimings()
        sink = TranscriptionSink(
            relay,
            self.engine,
            TranscriptLines(self.table, relay.relay_id, TRACKS),
            self.table,
            clock=self.clock,
            timings=timings,
            l16_byte_order="little",
            vocabulary=self.fields.get("vocabulary"),
        )
        made = RelayRun(
            self.lease,
            source,
            sink,
            clock=self.clock,
            seconds=seconds,
            timings=timings,
            since=self.fields["since"] / 1000,
        )
        return asyncio.create_task(made.run(kind))

    def bring(self, event: RecordEvent) -> None:
        self.records.append(
            Record("s1", "acme", "autotranscribe", "twilio", round(self.clock() * 1000), event)
        )
        for feed in self.feeds:
            feed.put([self.records[-1]])

    async def say(self, *tracks: bytes, ahead_ms: int = 0) -> None:
        """Bring the audio of both tracks in real time; the inbound clock may be ahead."""
        size = FRAME_MS * 16
        for at in range(0, len(tracks[0]), size):
            for track, audio in zip(TRACKS, tracks, strict=True):
                self.numbers += 1
                frame = audio[at : at + size]
                at_ms = self.at_ms + (ahead_ms if track == "inbound" else 0)
                self.bring(Media(self.numbers, track, self.numbers, at_ms, frame))
            self.at_ms += FRAME_MS
            await asyncio.sleep(FRAME_MS / 1000)

    async def silence(self, seconds: float) -> None:
        await self.say(*[bytes(round(seconds * 16_000))] * 2)

    async def end(self) -> None:
        self.bring(Disconnected(1005, ""))
        self.streams.clear()

    def start(self) -> None:
        self.numbers += 1
        self.bring(
            Start(
                sequence=self.numbers,
                carrier_stream_id="MZ1",
                call_id="CA1",
                account_id="AC1",
                tracks=TRACKS,
                format=self.all_streams[0].format,
            )
        )


def speech(random: Random, first: int, words: int) -> tuple[bytes, list[str]]:
    """Words with pauses, and the words. Frames are 20 ms, and so is everything."""
    audio, said = b"", []
    for number in range(first, first + words):
        length = random.randrange(60, 600, 20)
        audio += sound(0, random.choice([20, 60, 400, 2000])) + sound(number, length)
        said.append(f"{number}:{length}")
    return audio, said


def conversation(seed: int, words: int = 25) -> tuple[list[bytes], list[list[str]]]:
    random = Random(seed)  # noqa: S311  # a scene, not a secret
    made = [speech(random, first, words) for first in (1, 501)]
    length = max(len(audio) for audio, _ in made)
    length += -length % (FRAME_MS * 16)
    return [audio.ljust(length, b"\0") for audio, _ in made], [said for _, said in made]


def test_sink_keeps_and_sends_every_line_with_its_number_and_times() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        await scene.say(sound(0, 1000) + sound(7, 500), sound(0, 1500))
        running = scene.run()
        await scene.say(sound(0, 500), sound(8, 500))
        await scene.silence(4)
        await scene.say(sound(9, 300), bytes(300 * 16))
        scene.table.fails = 3
        await scene.end()

        assert await running == Outcome(Ending.CALL)
        lines = [
            (key, kept.line.text, kept.line.start_ms, kept.line.end_ms, kept.stream_id)
            for key, kept in sorted(scene.table.kept.items())
        ]
        assert lines == [
            (("inbound", 1), "7:500", 1000, 1500, "s1"),
            (("inbound", 2), "9:300", 6000, 6300, "s1"),
            (("outbound", 1), "8:500", 1500, 2000, "s1"),
        ]
        assert sorted(scene.table.sent) == [(*key, False) for key in sorted(scene.table.kept)]
        summary = scene.table.summary
        assert summary is not None
        assert summary["inbound"].audio_ms == 6300
        assert summary["inbound"].audio_bytes == 6300 * 16
        assert [each.lines for each in summary.values()] == [2, 1]

    play_without_waiting(act)


@pytest.mark.parametrize(("redaction", "finds_private"), [("both", True), ("unredacted", False)])
def test_engine_gets_the_settings_of_the_transcription(
    redaction: str, *, finds_private: bool
) -> None:
    async def act() -> None:
        scene = Scene(redaction=redaction, vocabulary="ours")
        scene.start()
        running = scene.run()
        await scene.silence(1)
        await scene.end()
        await running
        settings = {each.settings for each in scene.engine.sessions}
        assert settings == {
            SessionSettings("en-US", channels=2, finds_private=finds_private, vocabulary="ours")
        }

    play_without_waiting(act)


@pytest.mark.parametrize("seed", range(6))
def test_sink_loses_and_doubles_no_word_if_runs_and_sessions_die(seed: int) -> None:
    async def act() -> None:
        random = Random(seed)  # noqa: S311  # a scene, not a secret
        refusals = 0

        def next_session(session: ScriptedSession) -> None:
            nonlocal refusals
            # An engine that fails five times in a row is of no use.
            if random.random() < 0.3 and refusals < 3:
                refusals += 1
                raise EngineFailed("refused")
            refusals = 0
            session.fails_at = random.choice([3000, 8000, 60_000])

        scene = Scene(ScriptedEngine(next_session))
        tracks, said = conversation(seed)
        scene.start()
        running = scene.run()
        talking = asyncio.create_task(scene.say(*tracks))
        for _ in range(3):
            await asyncio.sleep(random.uniform(4, 9))
            scene.table.fails = random.choice([0, 2])
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(random.uniform(0, 20))
            running = scene.run(RunKind.RESCUE)
        await talking
        await scene.end()

        assert await running == Outcome(Ending.CALL)
        assert [scene.table.words(track) for track in TRACKS] == said
        assert {(track, number) for track, number, _ in scene.table.sent} == {*scene.table.kept}
        summary = scene.table.summary
        assert summary is not None
        assert [each.lines for each in summary.values()] == [
            sum(1 for each, _ in scene.table.kept if each == track) for track in TRACKS
        ]
        assert {each.audio_ms for each in summary.values()} == {scene.at_ms}

    play_without_waiting(act)


def test_sink_sends_again_what_a_killed_run_had_kept_and_may_not_have_sent() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.silence(4)
        scene.table.is_sending = False
        await scene.say(sound(1, 500) + sound(0, 500) + sound(2, 500), bytes(1500 * 16))
        await scene.silence(2)
        assert [*scene.table.kept] == [("inbound", 1)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        scene.table.is_sending = True
        running = scene.run(RunKind.RESCUE)
        await scene.silence(4)
        await scene.end()
        await running

        assert scene.table.sent == [("inbound", 1, True), ("inbound", 2, False)]
        assert scene.table.words("inbound") == ["1:500", "2:500"]

    play_without_waiting(act)


def long_words() -> tuple[list[bytes], list[list[str]]]:
    """Words that are longer than a hand-over takes."""
    one, other = sound(1, 18_000) + sound(0, 4000), sound(0, 3000) + sound(2, 19_000)
    return [one, other], [["1:18000"], ["2:19000"]]


@pytest.mark.parametrize("seed", [None, *range(3)])
def test_sink_hands_over_in_mid_word(seed: int | None) -> None:
    async def act() -> None:
        scene = Scene()
        tracks, said = long_words() if seed is None else conversation(seed)
        scene.start()
        first = scene.run(seconds=68 + (seed or 0))
        talking = asyncio.create_task(scene.say(*tracks))
        while not scene.lease.successors:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        second = scene.run(RunKind.SUCCESSOR)
        assert await first == Outcome(Ending.SUCCESSOR)
        await talking
        await scene.end()

        assert await second == Outcome(Ending.CALL)
        assert [scene.table.words(track) for track in TRACKS] == said
        assert sorted(scene.table.kept) == sorted({(t, n) for t, n, _ in scene.table.sent})

    play_without_waiting(act)


def test_what_is_said_while_stopped_reaches_no_engine() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.say(sound(1, 5000), bytes(5000 * 16))
        scene.bring(Halted("another relay"))
        await scene.say(sound(2, 500), sound(3, 500))
        # The record of the stop comes later than frames that were received after it.
        stopped_at = round(scene.clock() * 1000)
        await scene.say(sound(4111, 100), sound(0, 100))
        scene.records.append(Record("s1", "acme", "x", None, stopped_at, Halted("relay-1")))
        scene.feeds[0].put(scene.records[-1:])
        await scene.say(sound(4111, 3000), sound(4111, 3000))
        assert await running == Outcome(Ending.COMMAND)
        assert scene.lease.reported[-1] == ("finished", None, 0)

        scene.fields["since"] = round(scene.clock() * 1000)
        scene.relay_id, scene.lease = "relay-2", Lease()
        await scene.say(sound(4, 500), sound(0, 500))
        again = scene.run()
        await scene.say(sound(0, 9000), sound(5, 9000))
        await scene.end()
        assert await again == Outcome(Ending.CALL)

        assert scene.engine.fed == {1, 2, 3, 4, 5}
        assert scene.table.words("inbound") == ["1:5000", "2:500", "4:500"]
        assert scene.table.words("outbound") == ["3:500", "5:9000"]
        assert sorted(scene.table.kept) == [
            ("inbound", 1),
            ("inbound", 2),
            ("outbound", 1),
            ("outbound", 2),
        ]

    play_without_waiting(act)


def test_stop_waits_for_the_audio_of_the_calls_other_stream() -> None:
    async def act() -> None:
        scene = Scene()
        other = started_stream(
            "s2",
            connected_at=1_000_000,
            started_at=1_000_000,
            encoding="L16",
            tracks=["outbound"],
        )
        scene.streams.append(other)
        scene.all_streams.append(other)
        running = scene.run()
        await asyncio.sleep(9)
        began = round(scene.clock() * 1000) - 3000

        def records(stream_id: str, track: Track, word: int) -> list[Record]:
            spoken: list[RecordEvent] = [
                Media(number, track, number, 9000 + number * 20, sound(word, 20))
                for number in range(1, 101)
            ]
            return [
                Record(stream_id, "acme", "x", "twilio", began + number * 20, event)
                for number, event in enumerate([*spoken, Halted("relay-1")])
            ]

        scene.feeds[0].put(records("s1", "inbound", 1))
        # A shard is polled once a second.
        await asyncio.sleep(1)
        scene.feeds[0].put(records("s2", "outbound", 2))

        assert await running == Outcome(Ending.COMMAND)
        assert scene.table.words("inbound") == ["1:2000"]
        assert scene.table.words("outbound") == ["2:2000"]

    play_without_waiting(act)


def test_stop_waits_for_what_waits_for_a_missing_frame() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.say(sound(1, 5000), bytes(5000 * 16))
        scene.numbers += 1
        await scene.say(sound(2, 500), bytes(500 * 16))
        scene.bring(Halted("relay-1"))
        await scene.say(sound(3, 3000), bytes(3000 * 16))

        assert await running == Outcome(Ending.COMMAND)
        assert scene.table.words("inbound") == ["1:5000", "2:500"]

    play_without_waiting(act)


def test_stop_that_no_record_tells_of_cuts_at_the_commands_time() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.say(sound(1, 5000), bytes(5000 * 16))
        scene.table.stopped = round(scene.clock() * 1000)
        scene.lease.status_now = LeaseStatus.STOPPED
        await scene.say(sound(2, 10_000), bytes(10_000 * 16))

        assert await running == Outcome(Ending.COMMAND)
        assert scene.table.words("inbound") == ["1:5000"]

    play_without_waiting(act)


@pytest.mark.parametrize("seed", range(6))
def test_sink_loses_and_doubles_no_word_before_a_stop_if_runs_die_after_it(seed: int) -> None:
    async def act() -> None:
        random = Random(seed)  # noqa: S311  # a scene, not a secret
        scene = Scene()
        tracks, said = conversation(seed, words=random.randrange(3, 12))
        scene.start()
        running = scene.run()
        await scene.silence(5)
        await scene.say(*tracks)
        scene.table.stopped = round(scene.clock() * 1000)
        scene.lease.status_now = LeaseStatus.STOPPED
        if random.random() < 0.5:
            scene.bring(Halted("relay-1"))
        after = [sound(900 + track, 20_000) for track in range(2)]
        talking = asyncio.create_task(scene.say(*after))
        for longest in (0.05, 3, 5):
            await asyncio.sleep(random.uniform(0, longest))
            if running.done():
                break
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(random.uniform(0, 20))
            running = scene.run(RunKind.RESCUE)
        if random.random() < 0.5:
            await talking
            await scene.end()

        assert await running == Outcome(Ending.COMMAND)
        assert [scene.table.words(track) for track in TRACKS] == said
        assert {(track, number) for track, number, _ in scene.table.sent} == {*scene.table.kept}
        summary = scene.table.summary
        assert summary is not None
        assert [each.lines for each in summary.values()] == [
            sum(1 for each, _ in scene.table.kept if each == track) for track in TRACKS
        ]
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]
        talking.cancel()

    play_without_waiting(act)


def test_rescue_of_a_stopped_relay_gives_a_slow_engine_all_that_was_missed() -> None:
    def slow_down(session: ScriptedSession) -> None:
        feed = session.feed

        async def feed_slowly(audio: bytes) -> None:
            await asyncio.sleep(len(audio) / 24_000)  # a quarter slower than real time
            await feed(audio)

        monkeypatch.setattr(session, "feed", feed_slowly)

    async def act() -> None:
        scene = Scene(ScriptedEngine(slow_down))
        scene.start()
        running = scene.run()
        await scene.silence(5)
        await scene.say(sound(1, 20_000), sound(2, 20_000))
        scene.table.stopped = round(scene.clock() * 1000)
        scene.lease.status_now = LeaseStatus.STOPPED
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

        assert await scene.run(RunKind.RESCUE) == Outcome(Ending.COMMAND)
        assert [scene.table.words(track) for track in TRACKS] == [["1:20000"], ["2:20000"]]

    with pytest.MonkeyPatch.context() as monkeypatch:
        play_without_waiting(act)


def test_run_stays_the_owner_while_the_last_lines_are_not_kept_yet() -> None:
    class Heartbeats(Lease):
        count = 0

        @override
        def renew(self, checkpoint: bytes | None, dropped: int) -> None:
            self.count += 1
            super().renew(checkpoint, dropped)

    async def act() -> None:
        scene = Scene()
        scene.lease = lease = Heartbeats()
        scene.start()
        running = scene.run()
        await scene.say(sound(1, 500), sound(2, 500))
        scene.table.fails = 5
        scene.lease.status_now = LeaseStatus.STOPPED
        scene.bring(Halted("relay-1"))
        before = lease.count
        stopped_at = scene.clock()
        await running

        assert scene.table.words("inbound") == ["1:500"]
        seconds = scene.clock() - stopped_at
        assert seconds > 12
        assert lease.count - before >= (seconds - 8) // 2

    play_without_waiting(act)


def test_frames_that_all_come_late_are_not_lost() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.say(sound(1, 5000), bytes(5000 * 16))
        feeds, scene.feeds = scene.feeds, []
        await scene.say(sound(2, 8000), sound(3, 8000))
        for record in scene.records[-800:]:
            feeds[0].put([record])
        scene.feeds = feeds
        await scene.silence(2)
        await scene.end()

        assert await running == Outcome(Ending.CALL)
        assert scene.table.words("outbound") == ["3:8000"]
        assert scene.table.words("inbound")[-1] == "2:8000"

    play_without_waiting(act)


def test_words_are_whole_if_frames_are_read_again_that_were_left_out_of_one_track() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.silence(5)
        await scene.say(sound(1, 1000), sound(2, 1000))
        for word, track in enumerate(TRACKS, 1):
            scene.numbers += 1
            frame = sound(word, FRAME_MS)
            scene.bring(Media(scene.numbers, track, scene.numbers, scene.at_ms, frame))
            await scene.feeds[0].drained()
            scene.feeds[0].noticed = {"s1"}
        scene.at_ms += FRAME_MS
        await scene.say(sound(1, 8000), sound(2, 8000))
        await scene.silence(2)
        await scene.end()

        assert await running == Outcome(Ending.CALL)
        assert [scene.table.words(track) for track in TRACKS] == [["1:9020"], ["2:9020"]]

    play_without_waiting(act)


def test_call_that_ends_while_the_words_before_a_gap_come_keeps_those_after_it() -> None:
    def be_slow(session: ScriptedSession) -> None:
        finish = session.finish

        async def later() -> None:
            await asyncio.sleep(4)
            await finish()

        session.finish = later  # type: ignore[method-assign]

    async def act() -> None:
        scene = Scene(ScriptedEngine(be_slow))
        scene.start()
        running = scene.run()
        await scene.silence(6)
        await scene.say(sound(1, 1000), bytes(1000 * 16))
        scene.at_ms += 60_000
        await scene.say(sound(2, 1000), bytes(1000 * 16))
        await scene.end()

        assert await running == Outcome(Ending.CALL)
        assert scene.table.words("inbound") == ["1:1000", "2:1000"]

    play_without_waiting(act)


def test_run_that_got_no_frames_for_a_while_leaves_their_audio_to_the_next_run() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.say(sound(1, 5000), bytes(5000 * 16))
        # The feed is still: zeros take the place of what is said.
        scene.feeds = []
        await scene.say(sound(0, 1000) + sound(2, 500) + sound(0, 8500), bytes(10_000 * 16))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        running = scene.run(RunKind.RESCUE)
        await scene.silence(5)
        await scene.end()

        assert await running == Outcome(Ending.CALL)
        assert scene.table.words("inbound") == ["1:5000", "2:500"]

    play_without_waiting(act)


def test_tracks_with_clocks_of_their_own_are_in_step() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        audio = sound(0, 2000) + sound(1, 500) + sound(0, 3000) + sound(2, 500)
        await scene.say(audio, audio, ahead_ms=60_000)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        running = scene.run(RunKind.RESCUE)
        await scene.say(audio, audio, ahead_ms=60_000)
        await scene.end()
        await running

        said = ["1:500", "2:500"] * 2
        assert [scene.table.words(track) for track in TRACKS] == [said, said]
        assert len(scene.engine.sessions) == 2
        for number in range(1, 5):
            one, other = (scene.table.kept[track, number].line.start_ms for track in TRACKS)
            assert abs(one - other) <= 40

    play_without_waiting(act)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (EngineFailed("denied", is_permanent=True), "engine_refuses"),
        (EngineFailed("full", is_busy=True), "engine_busy"),
        (EngineFailed("broken"), "engine_failed"),
        (None, "undecodable_audio"),
    ],
)
def test_relay_fails_if_the_engine_or_the_audio_is_of_no_use(
    failure: EngineFailed | None, reason: str
) -> None:
    async def act() -> None:
        def refuse(_: ScriptedSession) -> None:
            if failure is not None:
                raise failure

        scene = Scene(ScriptedEngine(refuse))
        if failure is None:
            scene.streams[0] = started_stream("s1", encoding="SPEEX")
            scene.all_streams = scene.streams
        scene.start()
        running = scene.run()
        await scene.silence(20)

        assert await running == Outcome(Ending.FAILURE, reason)
        assert scene.lease.reported[-1] == ("finished", reason, 0)
        assert scene.table.summary is not None

    play_without_waiting(act)


def test_run_whose_lines_meet_a_fault_dies_so_that_another_run_sends_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fault(_table: Table, _kept: KeptLine) -> bool:
        raise UnreadableItem(KeptLine.__name__, "another version")

    async def act() -> None:
        scene = Scene()
        scene.start()
        with monkeypatch.context() as patch:
            patch.setattr(Table, "keep", fault)
            running = scene.run()
            await scene.say(sound(0, 5000) + sound(1, 500), bytes(5500 * 16))
            await scene.silence(2)
            with pytest.raises(UnreadableItem):
                await running
        running = scene.run(RunKind.RESCUE)
        await scene.silence(5)
        await scene.end()
        await running

        assert scene.table.words("inbound") == ["1:500"]

    play_without_waiting(act)


def test_language_that_the_engine_has_not_fails_the_relay() -> None:
    async def act() -> None:
        scene = Scene()
        scene.engine.languages = frozenset({"es-US"})

        assert await scene.run() == Outcome(Ending.FAILURE, "unsupported_language")

    play_without_waiting(act)


def test_phrases_of_the_client_go_into_later_lines_also_after_a_rescue() -> None:
    async def act() -> None:
        scene = Scene()
        scene.start()
        running = scene.run()
        await scene.silence(5)
        scene.numbers += 1
        phrases = (SpokenPhrase("Acme", ("7:500",)), SpokenPhrase("x" * 10_000))
        scene.bring(Vocabulary(sequence=scene.numbers, phrases=phrases))
        await scene.silence(6)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        running = scene.run(RunKind.RESCUE)
        await scene.say(sound(7, 500), bytes(500 * 16))
        await scene.end()
        await running

        assert scene.table.words("inbound") == ["Acme"]

    play_without_waiting(act)
