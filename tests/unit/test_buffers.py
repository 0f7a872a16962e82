"""Every buffer that grows with what a stranger sends is bounded, for every kind of message."""

import ast
import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pytest

import callstream
from callstream.adapters.network import websockets
from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Dtmf, Mark, Media, SpokenPhrase, Vocabulary
from callstream.errors import Unavailable
from callstream.frames import publisher, records, stream_order
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream.identity import RelayIdentity, StreamIdentity
from callstream.relays import checkpoint, intake, merger
from callstream.relays.outbox import Outbox
from callstream.relays.sinks import conversing, dialogue_keys
from callstream.relays.sinks.call_audio import CallAudio
from callstream.relays.sinks.carrier_legs import LegCache
from callstream.relays.sinks.conversation import Answer, Terms
from callstream.relays.sinks.fork import ForkedCall, ForkProtocol
from callstream.relays.sinks.incoming_audio import AudioSnapshot, IncomingAudio
from callstream.relays.sinks.silence_fill import Timeline
from callstream.relays.sinks.websocket import WebSocketSink
from callstream.relays.timings import RelayTimings
from callstream.reordering.buffer import ReorderBuffer
from callstream.reordering.window import Window
from callstream.surfaces.asapp_conversation import AsappConversation
from tests.unit.items import started_stream

NOTHING: Final[Any] = None
LIMIT: Final = 20


def mark(number: int, name: str = "m") -> Record:
    return Record("s1", "acme", "r", "signalwire", number, Mark(None, name))


def record(event: RecordEvent, stream_id: str = "s1", at: int = 0) -> Record:
    return Record(stream_id, "acme", "r", "twilio", at, event)


def outbox(*kinds: str) -> Callable[[], tuple[int, int]]:
    def flood() -> tuple[int, int]:
        full = Outbox(LIMIT)
        for number in range(100):
            full.put([str(number)], is_audio=kinds[number % len(kinds)] == "audio")
        return len(full.take_rest()), LIMIT + 1

    return flood


def keys_to_a_consumer() -> tuple[int, int]:
    sink = WebSocketSink(NOTHING, NOTHING, NOTHING, clock=lambda: 0.0, timings=RelayTimings())
    call = ForkedCall("f", "CA", "AC", PCMU_8K, ("inbound",), {})
    sink._legs, sink._outbox.limit = SimpleNamespace(), LIMIT
    sink._fork = fork = ForkProtocol("telnyx", call)
    for number in range(100):
        sink.take("s1", Dtmf(number, "inbound", "5"), 0)
    # The consumer gets no gap in the numbering.
    assert fork.counters.sequence == LIMIT + 1
    assert sink._outbox.refused == 100 - fork.counters.sequence
    return len(sink._outbox.take_rest()), LIMIT + 1


def streams_of_a_call() -> tuple[int, int]:
    merging = merger.StreamMerger()
    for number in range(200):
        merging.expect_whole([f"s{number}"])
        merging.take([record(Disconnected(1006, ""), f"s{number}", number)], number)
        merging.take([], number + 20)
    assert len(merging._whole) <= merger.MOST_ENDED + 2
    return len(merging.snapshot()[0]), merger.MOST_ENDED + 2


def keys_of_a_call() -> tuple[int, int]:
    merging = merger.StreamMerger()
    for number in range(1, 500):
        event = Dtmf(number, "inbound", chr(0x4000 + number))
        merging.take([record(event, at=number * 100)], number / 10)
    return len(merging._keys), 11


def records_of_a_stream_that_is_joined() -> tuple[int, int]:
    joining = intake.Intake(NOTHING, NOTHING, NOTHING, lambda: 0.0, RelayTimings())
    joining._held["s1"] = []
    joining._without_held([mark(0)] * (intake.MOST_HELD + 10))
    return len(joining._held["s1"]), intake.MOST_HELD


def batches_of_the_feed() -> tuple[int, int]:
    few = [records.encode(mark(0)), bytes(90_000)]
    batch = b64encode(msgspec.msgpack.encode(few)).decode()
    most = websockets.MOST_WAITING // len(batch) + 1

    async def messages() -> AsyncIterator[str]:
        for _ in range(most + 10):
            yield batch

    async def flood() -> int:
        connection: Any = messages()
        feed = websockets.FeedSocket(connection, RelayIdentity("acme", "CA", "r"), "run")
        await feed._reading
        assert feed.left_out() == {"s1"}
        return feed._batches.qsize()

    return asyncio.run(flood()), most + 1


def messages_out_of_order() -> tuple[int, int]:
    buffer = ReorderBuffer[int](Window(), first=1)
    most = 0
    for number in range(1, 2000):
        buffer.push(number * 7919 % 100_003, number, number, 0.0)
        left = buffer.snapshot()
        most = max(most, len(left.waiting) + len(left.probation))
    return most, 100 + 128


def messages_without_numbers() -> tuple[int, int]:
    order = stream_order.OrderedStream()
    for number in range(100):
        order.push(mark(number), 0.0)
    return len(order.snapshot().unnumbered.latest), 16


def streams_of_a_fork() -> tuple[int, int]:
    call = ForkedCall("f", "CA", "AC", PCMU_8K, ("inbound",), {})
    fork = ForkProtocol("twilio", call)
    for number in range(300):
        fork.take(f"s{number}", Media(1, "inbound", 1, 0, b"\xff"), 0)
    return len(fork.counters.began), checkpoint.MOST_STREAMS


def streams_of_a_transcription() -> tuple[int, int]:
    left = AudioSnapshot()
    audio = IncomingAudio(["inbound"], 0, 0, left, "big")
    for number in range(300):
        audio.add_stream(f"s{number}", PCMU_8K, number)
    return len(left.offsets), checkpoint.MOST_STREAMS


def clocks_of_a_transcription() -> tuple[int, int]:
    audio = CallAudio(["inbound"], {})
    for number in range(300):
        audio.put(f"s{number}", "inbound", (300 - number) * 60_000, b"\0\0", 0.0)
    return len(audio.shifts), checkpoint.MOST_STREAMS


def clocks_of_an_even_fork() -> tuple[int, int]:
    timeline = Timeline(0, 0, 0)
    for number in range(300):
        timeline.place(f"s{number}", (number + 1) * 60_000)
    return len(timeline.shifts_ms), checkpoint.MOST_STREAMS


def keys_for_an_agent() -> tuple[int, int]:
    keys = dialogue_keys.PressedKeys(None, 0)
    for number in range(1, 5000):
        keys.press("5", number, 0.0)
    return len(keys._keys), dialogue_keys.MOST_WAITING


def phrases_before_a_start() -> tuple[int, int]:
    conversation = AsappConversation("s1", 0, Terms({"en-US"}))
    phrases = (SpokenPhrase("p" * 50_000),)
    most = 0
    for number in range(100):
        conversation.take(Vocabulary(number, phrases), 1)
        most = max(most, len(conversation.snapshot()))
    return most, 270_000


def steps_before_a_transcription() -> tuple[int, int]:
    answers: Any = SimpleNamespace(
        take=lambda *_: [Answer("{}")], failed=lambda *_: [Answer("busy")]
    )
    sink = conversing.ConversingSink(NOTHING, NOTHING, NOTHING, clock=lambda: 0.0)
    sink._conversation, sink._stream = answers, started_stream("s1")
    most = 0
    for _ in range(conversing.MOST_STEPS + 10):
        sink.take("s1", Vocabulary(1, ()), 0)
        most = max(most, len(sink._steps))
    return most, conversing.MOST_STEPS


def connections_of_a_leg() -> tuple[int, int]:
    cache, now = LegCache(), datetime(2026, 11, 21, tzinfo=UTC)
    for number in range(100):
        cache.update([started_stream("s1", connection_id=f"c{number}")], now)
        cache.lose(f"c{number}")
    return len(cache._gone), 2


def streams_that_kinesis_refuses() -> tuple[int, int]:
    def refuse(*_: object) -> None:
        raise Unavailable("kinesis", "Down")

    sink: Any = SimpleNamespace(put=refuse)
    times = iter(range(1000))
    publishing = publisher.Publisher(sink, sink, lambda: next(times))
    for number in range(200):
        received = publisher.ReceivedEvent(Mark(None, "m"))
        publishing.publish(StreamIdentity(f"s{number}", "acme", "r"), 0, received)
    return len(publishing._paused_until), int(publisher.PAUSE_SECONDS) + 1


def recent_checkpoints() -> tuple[int, int]:
    first = checkpoint.Checkpoint({}, {}, b"", 0.0)
    recent = checkpoint.RecentCheckpoints(first, lambda _: False)
    for _ in range(100):
        recent.add(first)
    return len(recent._later), 30


FLOODS: Final[dict[str, Callable[[], tuple[int, int]]]] = {
    "relays/outbox.py:Outbox._waiting, keys": outbox("key"),
    "relays/outbox.py:Outbox._waiting, audio": outbox("audio"),
    "relays/outbox.py:Outbox._waiting, both": outbox("audio", "key"),
    "relays/outbox.py:Outbox._waiting, of a fork": keys_to_a_consumer,
    "relays/merger.py:StreamMerger._streams": streams_of_a_call,
    "relays/merger.py:StreamMerger._keys": keys_of_a_call,
    "relays/intake.py:Intake._held": records_of_a_stream_that_is_joined,
    "adapters/network/websockets.py:FeedSocket._batches": batches_of_the_feed,
    "reordering/held.py:Waiting._held": messages_out_of_order,
    "frames/stream_order.py:Unnumbered.latest": messages_without_numbers,
    "relays/sinks/fork.py:ForkCounters.began": streams_of_a_fork,
    "relays/sinks/incoming_audio.py:AudioSnapshot.offsets": streams_of_a_transcription,
    "relays/sinks/call_audio.py:CallAudio.shifts": clocks_of_a_transcription,
    "relays/sinks/silence_fill.py:Timeline.shifts_ms": clocks_of_an_even_fork,
    "relays/sinks/dialogue_keys.py:PressedKeys._keys": keys_for_an_agent,
    "surfaces/asapp_conversation.py:AsappConversation._held": phrases_before_a_start,
    "relays/sinks/conversing.py:ConversingSink._steps": steps_before_a_transcription,
    "relays/sinks/carrier_legs.py:LegCache._gone": connections_of_a_leg,
    "frames/publisher.py:Publisher._paused_until": streams_that_kinesis_refuses,
    "relays/checkpoint.py:RecentCheckpoints._later": recent_checkpoints,
}

PER_TRACK: Final = "one of each track"
PER_STREAM: Final = "some bytes for each stream of a call; open streams are limited"
BY_AUDIO: Final = "audio of some seconds, or what an engine makes of audio"
ONCE: Final = "filled once, from our own code or settings"
READER: Final = "in the process of a user who reads, which forgets streams that are over"
OTHER_TEST: Final = "flooded in a test of its own: "

BOUNDED: Final[dict[str, str]] = {
    "access/tokens.py:KeyRing._keys": ONCE,
    "adapters/aws/kept_connections.py:KeptConnections._kept": "_MOST_KEPT",
    "adapters/aws/kinesis_reader.py:FrameStreamReader._heirs": "one of each shard",
    "adapters/aws/kinesis_reader.py:FrameStreamReader._shards": "one of each shard",
    "adapters/aws/secrets_manager.py:TwilioAuthTokens._kept": "one of each tenant",
    "adapters/aws/transcribe.py:TranscribeSession._waiting": BY_AUDIO,
    "adapters/aws/transcribe_results.py:Results._fed_at_looks": BY_AUDIO,
    "adapters/aws/transcribe_results.py:Results._finals": BY_AUDIO,
    "adapters/aws/transcribe_results.py:Results._known": BY_AUDIO,
    "adapters/aws/transcribe_results.py:_Channel.partials": BY_AUDIO,
    "adapters/google/turn.py:StreamTurn._events": BY_AUDIO,
    "adapters/google/turn.py:StreamTurn._requests": BY_AUDIO,
    "adapters/network/websockets.py:FeedSocket._confirmed": PER_STREAM,
    "adapters/network/websockets.py:FeedSocket._left_out": PER_STREAM,
    "adapters/speech/channel.py:Channel._audio": BY_AUDIO,
    "adapters/speech/channel.py:Channel._held": BY_AUDIO,
    "adapters/speech/engine.py:OfflineSession._utterances": BY_AUDIO,
    "adapters/speech/engine.py:OfflineSession._workers": ONCE,
    "audio/mp3_frames.py:Mp3Frames._messages": "the return queue counts the bytes",
    "calls/counters.py:StreamCounters._states": "1,000; the oldest are forgotten",
    "console/transcripts.py:TranscriptReader._began": READER,
    "console/transcripts.py:TranscriptReader._read": READER,
    "console/transcripts.py:TranscriptReader._speakers": READER,
    "dialects/_wire.py:Reader._kinds": ONCE,
    "frames/reader.py:FrameReader._arrivals": READER,
    "frames/reader.py:FrameReader._followed": READER,
    "frames/reader.py:FrameReader._ignored": READER,
    "frames/reader.py:FrameReader._times": READER,
    "frames/record_copies.py:RecordCopies._waiting": "a queue with a size",
    "frames/recording.py:StreamRecording._first": READER,
    "frames/recording.py:StreamRecording._numbered": READER,
    "frames/recording.py:StreamRecording._own": READER,
    "frames/recording.py:StreamRecording._unnumbered": READER,
    "relays/fan_out.py:FanOut._known": "streams of the last second",
    "relays/intake.py:Intake._complete_at": PER_STREAM,
    "relays/intake.py:Intake._incomplete": PER_STREAM,
    "relays/intake.py:Intake._mark_streams": PER_STREAM,
    "relays/intake.py:Intake._subscribed": PER_STREAM,
    "relays/intake.py:Intake._unread": PER_STREAM,
    "relays/merger.py:StreamMerger._sources": PER_TRACK,
    "relays/merger.py:StreamMerger._whole": OTHER_TEST + "relays/merger.py:StreamMerger._streams",
    "relays/sinks/call_audio.py:CallAudio._heard": PER_TRACK,
    "relays/sinks/call_audio.py:CallAudio._stretches": BY_AUDIO,
    "relays/sinks/call_audio.py:CallAudio._waiting": BY_AUDIO,
    "relays/sinks/dialogue.py:DialogueSink._workers": ONCE,
    "relays/sinks/dialogue_audio.py:WaitingAudio._new": OTHER_TEST + "test_dialogue_audio",
    "relays/sinks/dialogue_audio.py:WaitingAudio._rest": BY_AUDIO,
    "relays/sinks/dialogue_audio.py:WaitingAudio._returned": BY_AUDIO,
    "relays/sinks/dialogue_outbox.py:ReportOutbox._waiting": OTHER_TEST + "test_dialogue_outbox",
    "relays/sinks/dialogue_replies.py:Replies._early": BY_AUDIO,
    "relays/sinks/dialogue_replies.py:Replies._spoken": BY_AUDIO,
    "relays/sinks/dialogue_replies.py:Replies._waiting": BY_AUDIO,
    "relays/sinks/dialogue_turn.py:OpenTurn._fed": BY_AUDIO,
    "relays/sinks/dialogue_turn.py:OpenTurn.news": BY_AUDIO,
    "relays/sinks/fork_audio.py:ForkAudio._formats": PER_STREAM,
    "relays/sinks/fork_audio.py:ForkAudio._reported": "20",
    "relays/sinks/fork_audio.py:ForkAudio._tracks": PER_TRACK,
    "relays/sinks/incoming_audio.py:IncomingAudio._coming": PER_STREAM,
    "relays/sinks/incoming_audio.py:IncomingAudio._held": BY_AUDIO,
    "relays/sinks/incoming_audio.py:IncomingAudio.sources": PER_TRACK,
    "relays/sinks/line_maker.py:LineMaker._tails": PER_TRACK,
    "relays/sinks/line_maker.py:LineMaker.phrases": "MOST_PHRASES; the oldest are forgotten",
    "relays/sinks/piece_reader.py:PieceReader.pieces": "the return queue counts the bytes",
    "relays/sinks/playback.py:Playback._playing": "the return queue counts the bytes and marks",
    "relays/sinks/playback.py:_Progress._over": BY_AUDIO,
    "relays/sinks/posting.py:Posting._subscriptions": PER_STREAM,
    "relays/sinks/refusals.py:Refusals._buckets": "one of each kind of refusal",
    "relays/sinks/refusals.py:Refusals._counts": "one of each kind of refusal",
    "relays/sinks/return_path.py:ReturnPath._held": OTHER_TEST + "test_return_path",
    "relays/sinks/return_queue.py:ReturnQueue._urgent": OTHER_TEST + "test_return_queue",
    "relays/sinks/return_queue.py:ReturnQueue._waiting": OTHER_TEST + "test_return_queue",
    "relays/sinks/transcript_lines.py:TranscriptLines._again": BY_AUDIO,
    "relays/sinks/transcript_lines.py:TranscriptLines._waiting": BY_AUDIO,
    "relays/sinks/transcript_lines.py:TranscriptLines.last": PER_TRACK,
    "relays/sinks/transcription.py:TranscriptionSink._due": BY_AUDIO,
    "reordering/held.py:Waiting._order": OTHER_TEST + "reordering/held.py:Waiting._held",
    "reordering/resync.py:Probation._held": OTHER_TEST + "reordering/held.py:Waiting._held",
    "transcription/kept_audio.py:KeptAudio._audio": BY_AUDIO,
    "warm_up.py:WarmUps._sent_at": OTHER_TEST + "test_warm_up",
}

_GROWING: Final = frozenset(
    {"Counter", "OrderedDict", "Queue", "SimpleQueue", "bytearray", "defaultdict", "deque"}
    | {"dict", "list", "set"}
)


def buffers() -> Iterator[str]:
    """The containers that the library's objects have from their beginnings on."""
    library = Path(str(callstream.__file__)).parent
    for module in sorted(library.rglob("*.py")):
        for each in ast.walk(ast.parse(module.read_text())):
            if isinstance(each, ast.ClassDef):
                for name in _containers(each):
                    yield f"{module.relative_to(library)}:{each.name}.{name}"


def _containers(each: ast.ClassDef) -> Iterator[str]:
    for method in each.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for node in ast.walk(method):
                if isinstance(node, ast.Assign | ast.AnnAssign) and _is_container(node.value):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    yield from (each.attr for each in targets if isinstance(each, ast.Attribute))


def _is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        made = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        name = made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", "")
        return name in _GROWING
    return isinstance(value, ast.DictComp) or (
        isinstance(value, ast.List | ast.Dict) and not ast.unparse(value).strip("[]{}")
    )


@pytest.mark.parametrize("name", FLOODS)
def test_buffer_is_bounded_in_a_flood(name: str) -> None:
    size, limit = FLOODS[name]()

    assert 0 < size <= limit


def test_every_buffer_of_the_library_is_flooded_or_has_a_reason() -> None:
    flooded = {name.partition(",")[0] for name in FLOODS}
    found = {*buffers()}

    assert found - flooded - BOUNDED.keys() == set()
    assert BOUNDED.keys() - found == set()


def test_checkpoint_of_large_messages_fits_into_its_item(
    caplog: pytest.LogCaptureFixture,
) -> None:
    merging = merger.StreamMerger()
    merging.expect_whole(["s1"])
    for number in range(2, 60):
        merging.take([record(Mark(number, "m" * 80_000), at=number)], 0.0)
    streams, sources = merging.snapshot()
    made = checkpoint.Checkpoint(streams, sources, b"sink", 1.0)
    encoded = made.encode()

    assert len(encoded) <= checkpoint.MOST_BYTES
    assert checkpoint.Checkpoint.decode(encoded).sink == b"sink"
    assert "left out" in caplog.text
    # The next run goes on.
    resumed = merger.StreamMerger.resume(checkpoint.Checkpoint.decode(encoded).streams, {}, 5.0)
    merged = resumed.take([record(Mark(60, "n"), at=5000)], 5.0) + resumed.take([], 30.0)
    assert [each.event for each in merged] == [Mark(60, "n")]
