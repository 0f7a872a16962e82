"""Reading streams live: order, several streams and shards, what is over, what is selected."""

import math
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Connected, Mark, Media, Start, Stop
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames.arrivals import Arrival
from callstream.frames.reader import (
    FrameReader,
    ReadEvent,
    Selection,
    Stream,
    StreamOver,
)
from callstream.frames.records import (
    Disconnected,
    Halted,
    Record,
    RecordEvent,
    Rejected,
    Transcript,
)
from callstream.reordering.window import Window

BEGAN = 1_767_268_800_000
"""In ms since 1970: Kinesis's time when ours is 0."""
CONNECTED = Connected(protocol="Call", version="1.0.0")
GONE = Disconnected(1000, "")


def media(number: int, track: str = "inbound") -> Media:
    return Media(
        sequence=number,
        track=track,  # type: ignore[arg-type]
        chunk=number - 1,
        timestamp=(number - 2) * 20,
        audio=number.to_bytes(2) * 80,
    )


def start(call: str = "CA1", session: str | None = None) -> Start:
    return Start(
        sequence=1,
        carrier_stream_id=f"MZ-{call}",
        call_id=call,
        account_id="AC",
        tracks=("inbound",),
        format=PCMU_8K,
        session_id=session,
    )


def whole(frames: int = 10, call: str = "CA1") -> list[RecordEvent]:
    """A stream from its first word to its last."""
    numbers = range(2, frames + 2)
    return [CONNECTED, start(call), *map(media, numbers), Stop(sequence=frames + 2), GONE]


class World:
    """A Kinesis, a clock, and a reader of both."""

    def __init__(self, selection: Selection | None = None) -> None:
        self.now = 0.0
        self.waiting: list[Arrival] = []
        self.down = False
        self.throttled: set[str] = set()
        self.takes = 0.0
        self._read_at: dict[str, float] = {}
        self.reader = FrameReader(self, lambda: self.now, selection, quiet_seconds=60)
        self.heard: list[ReadEvent] = []

    def poll(self) -> list[Arrival]:
        if self.down:
            raise Unavailable("kinesis", "test")
        self.now += self.takes
        shards = {*self._read_at, *(arrival.shard_id for arrival in self.waiting)}
        self._read_at |= dict.fromkeys(shards - self.throttled, self.now)
        arrivals = [one for one in self.waiting if one.shard_id not in self.throttled]
        self.waiting = [one for one in self.waiting if one.shard_id in self.throttled]
        return arrivals

    def seconds_behind(self, shard_id: str) -> float:
        return self.now - self._read_at.get(shard_id, -math.inf)

    def seconds_until_due(self) -> float:
        return 0.5

    def put(
        self,
        *events: RecordEvent,
        stream: str = "s1",
        shard: str = "a",
        tenant: str = "acme",
        at: float | None = None,
        dialect: str = "twilio",
    ) -> None:
        """Put records on the stream, now or at another of our seconds."""
        time = BEGAN + round((self.now if at is None else at) * 1000)
        for event in events:
            record = Record(stream, tenant, "genagent", dialect, time, event)
            self.waiting.append(Arrival(record, stream, shard, time))

    def read(self, seconds: float = 0.0) -> list[RecordEvent | StreamOver]:
        """Poll until so much time has passed; what was said."""
        until = self.now + seconds
        said: list[ReadEvent] = self.reader.poll()
        while self.reader.has_more:
            said += self.reader.poll()
        while self.now < until:
            self.now = min(self.now + 0.1, until)
            said += self.reader.poll()
        self.heard += said
        return [happening.event for happening in said]


@pytest.fixture
def world() -> World:
    return World()


def test_reader_gives_a_stream_in_order_once_and_then_its_end(world: World) -> None:
    events = whole()
    shuffled = [*events, *events[3:6]]
    Random(1).shuffle(shuffled)  # noqa: S311
    world.put(*shuffled)

    said = world.read(3)

    assert sorted(map(str, said)) == sorted(map(str, [*events, StreamOver("disconnected")]))
    numbered = [event.sequence or 0 for event in said if isinstance(event, Start | Media | Stop)]
    assert numbered == sorted(numbered)
    assert said[-2:] == [GONE, StreamOver("disconnected")]
    assert len(world.reader) == 0


def test_reader_waits_a_moment_for_the_last_lines_of_a_transcript(world: World) -> None:
    first, last, late = (
        Transcript("r1", number, "inbound", 0, 900, "en-US", "Hello.") for number in (1, 2, 3)
    )
    begun, end = whole()[:5], whole()[5:]
    world.put(*begun, first, Halted("r1"))
    assert world.read() == [*begun, first, Halted("r1")]

    world.put(*end)
    assert world.read(4) == end
    world.put(last, last)
    assert world.read() == [last]
    assert world.read(0.9) == []
    assert world.read(0.2) == [StreamOver("disconnected")]
    world.put(late)

    assert world.read(3) == []
    assert len(world.reader) == 0


def test_reader_gives_an_event_in_order_at_once(world: World) -> None:
    for event in whole()[:-1]:
        world.put(event)
        assert world.read() == [event]


def test_reader_gives_the_same_stream_object_with_every_event(world: World) -> None:
    world.put(*whole())
    world.read(3)

    [stream] = {happening.stream for happening in world.heard}
    assert (stream.stream_id, stream.tenant_id, stream.route) == ("s1", "acme", "genagent")
    assert stream.dialect == "twilio"
    assert stream.received_at == BEGAN
    assert stream.start == start()
    assert stream.counts.frames == {"inbound": 10}


def test_reader_gives_up_on_a_gap_although_no_record_comes(world: World) -> None:
    world.put(CONNECTED, start(), media(2), media(4))
    assert world.read() == [CONNECTED, start(), media(2)]

    assert world.read(0.9) == []
    assert world.read(0.2) == [media(4)]


def test_reader_reads_the_source_again_before_it_gives_up_on_a_gap(world: World) -> None:
    """The reader was held up for a minute; the missing message came meanwhile."""
    world.put(CONNECTED, start(), media(3))
    world.read()
    world.put(media(2), at=0.3)
    world.put(media(5), at=50)
    world.now = 60

    assert world.read() == [media(2), media(3)]
    assert world.read(1.1) == [media(5)]


def test_reader_lets_records_of_yesterday_wait_for_one_another_as_then(world: World) -> None:
    """All of it is read in one go: only the records' times tell how long each waited."""
    world.put(CONNECTED, start(), media(2), media(4), at=0)
    world.put(media(3), at=0.5)
    world.put(media(6), at=0.6)
    world.put(media(7), at=2)
    world.put(media(5), at=2.1)
    world.now = 86_400

    said = [event for event in world.read(3) if isinstance(event, Media)]

    assert [event.sequence for event in said] == [2, 3, 4, 6, 7]
    assert world.heard[0].stream.counts.late == 1


def test_reader_raises_in_an_outage_and_gives_up_on_nothing(world: World) -> None:
    world.put(CONNECTED, start(), media(3))
    world.read()
    world.down = True
    for world.now in (1.0, 2.0, 3.0):
        with pytest.raises(Unavailable):
            world.reader.poll()
    world.down = False
    world.put(media(2), at=0.4)

    assert world.read() == [media(2), media(3)]


def test_reader_gives_up_on_no_gap_while_the_shard_is_not_read(world: World) -> None:
    """One shard is throttled for hours, while another can be read."""
    world.put(CONNECTED, start(), media(3))
    world.put(CONNECTED, start(), stream="other", shard="b")
    world.read()
    world.throttled = {"a"}
    world.put(media(2), at=0.01)
    for hour in (1, 2, 3):
        world.now = hour * 3600
        world.put(media(hour + 1), stream="other", shard="b")
        world.read()
    world.throttled = set()

    assert world.read() == [media(2), media(3)]
    assert world.heard[0].stream.counts.late == 0


@pytest.mark.parametrize("shard", ["b", "child of b"])
def test_reader_takes_the_records_of_all_shards_before_it_gives_up_on_a_gap(
    world: World, shard: str
) -> None:
    world.put(CONNECTED, start(), media(2), media(4), stream="of b", shard="b")
    world.read()
    for second in range(-4, 1):
        world.put(Mark(None, str(second)), stream="of a", at=second)
    world.put(media(3), stream="of b", shard=shard, at=0.5)
    world.now = 1.05
    world.read()

    of_b = [each for each in world.heard if each.stream.stream_id == "of b"]
    assert [each.event for each in of_b[2:]] == [media(2), media(3), media(4)]
    assert of_b[0].stream.counts.skipped == 0


def test_stream_is_not_quiet_while_its_records_wait_behind_those_of_another_shard(
    world: World,
) -> None:
    world.put(CONNECTED, start(), stream="of b", shard="b")
    world.read()
    for second in range(5):
        world.put(Mark(None, str(second)), stream="of a", at=second)
    world.put(media(2), stream="of b", shard="b", at=30)
    world.now = 70
    world.read()

    of_b = [each for each in world.heard if each.stream.stream_id == "of b"]
    assert [each.event for each in of_b] == [CONNECTED, start(), media(2)]


def test_unread_shard_has_the_time_until_which_it_was_read(world: World) -> None:
    world.put(CONNECTED, start(), media(3))
    world.read(0.9)
    world.throttled = {"a"}
    assert world.read(60) == []
    world.throttled = set()

    assert world.read() == [media(3), StreamOver("quiet")]


def test_slow_poll_does_not_put_the_time_of_a_shard_forward(world: World) -> None:
    """The shard is the last of many to be read, and a frame comes just before that."""
    world.put(CONNECTED, start(), media(3), at=0.7)
    world.takes = 0.8
    world.read()
    world.takes = 0
    world.now = 1.3
    assert world.read() == []
    world.put(media(2))

    assert world.read() == [media(2), media(3)]


@given(st.integers(0, 2**32), st.integers(2, 5))
def test_reader_keeps_streams_apart(seed: int, streams: int) -> None:
    world, random = World(), Random(seed)  # noqa: S311
    ids = [f"s{number}" for number in range(streams)]
    pending = {stream: whole(random.randrange(4, 30), call=stream) for stream in ids}
    expected = {stream: [*events, StreamOver("disconnected")] for stream, events in pending.items()}
    heard: dict[str, list[object]] = {stream: [] for stream in ids}
    while any(pending.values()):
        stream = random.choice([stream for stream, events in pending.items() if events])
        batch, pending[stream] = pending[stream][:5], pending[stream][5:]
        random.shuffle(batch)
        # Two streams to a shard.
        world.put(*batch, stream=stream, shard=stream if stream > "s2" else "shared")
        world.read()
    world.read(3)

    for happening in world.heard:
        heard[happening.stream.stream_id].append(happening.event)
    for stream, said in heard.items():
        assert [event for event in said if event != CONNECTED] == expected[stream][1:]
        assert said.count(CONNECTED) == 1


def test_reader_begins_a_running_stream_where_it_joins(world: World) -> None:
    world.put(media(503), media(502), media(504))
    assert world.read(0.9) == []
    assert world.read(0.2) == [media(502), media(503), media(504)]
    assert world.heard[0].stream.start is None
    assert world.heard[0].stream.counts.skipped == 0


def test_reader_counts_what_a_later_stream_lost_at_its_beginning(world: World) -> None:
    world.put(media(2), stream="old")
    world.read(15)
    world.put(media(3))

    assert world.read(0.9) == []
    assert world.read(0.2) == [media(3)]
    assert world.heard[-1].stream.counts.skipped == 2


def test_reader_ends_and_forgets_a_quiet_stream(world: World) -> None:
    world.put(CONNECTED, start(), media(3))
    assert world.read(59) == [CONNECTED, start(), media(3)]

    assert world.read(2) == [StreamOver("quiet")]
    assert len(world.reader) == 0


def test_reader_gives_waiting_events_before_a_quiet_stream_is_over() -> None:
    world = World()
    long = Window(seconds=1000)
    world.reader = FrameReader(world, lambda: world.now, window=long, quiet_seconds=60)
    world.put(CONNECTED, start(), media(3))
    world.read()

    assert world.read(61) == [media(3), StreamOver("quiet")]


def test_reader_does_not_make_a_stream_again_for_a_straggler(world: World) -> None:
    world.put(*whole())
    world.read(3)
    world.put(media(4), GONE)

    assert world.read(5) == []
    assert len(world.reader) == 0


def test_reader_forgets_past_streams_after_a_while(world: World) -> None:
    for number in range(50):
        world.put(*whole(2), stream=f"s{number}")
        world.read(10)

    assert len(world.reader._ignored) <= 7


def test_reader_follows_a_stream_to_the_shard_of_a_split(world: World) -> None:
    world.put(CONNECTED, start(), media(3), shard="parent")
    world.read()
    world.put(media(2), media(4), shard="child")

    assert world.read() == [media(2), media(3), media(4)]
    assert world.read(70) == [StreamOver("quiet")]


def test_stream_has_the_time_of_its_present_shard(world: World) -> None:
    """All of it is from yesterday; nothing comes on the parent any more."""
    world.put(CONNECTED, start(), media(2), shard="parent", at=0)
    world.put(media(4), shard="child", at=10)
    world.put(media(2), stream="other", shard="child", at=12)
    world.now = 86_400

    assert world.read() == [CONNECTED, start(), media(2), media(4)]


def test_stream_with_records_is_not_quiet(world: World) -> None:
    world.put(CONNECTED, start())
    for number in range(2, 5):
        world.read(50)
        world.put(media(number))

    assert world.read(59) == [media(4)]


def test_reader_counts_foreign_records(world: World) -> None:
    world.waiting.append(Arrival(UnreadableMessage("not_a_record", ""), "x", "a", BEGAN))

    assert world.read() == []
    assert world.reader.unreadable == 1


@pytest.mark.parametrize(
    ("selection", "streams"),
    [
        (Selection(), ["s1", "s2", "s3"]),
        (Selection(stream_id="s2"), ["s2"]),
        (Selection(tenant_id="other"), ["s3"]),
        (Selection(call_id="CA2"), ["s2"]),
        (Selection(call_id="MZ-CA3"), ["s3"]),
        (Selection(call_id="legs"), ["s2", "s3"]),
        (Selection(call_id="legs", tenant_id="acme"), ["s2"]),
        (Selection(call_id="CA1", stream_id="s2"), []),
    ],
)
def test_reader_gives_only_selected_streams(selection: Selection, streams: list[str]) -> None:
    world = World(selection)
    for number, tenant, session in ((1, "acme", None), (2, "acme", "legs"), (3, "other", "legs")):
        events = whole(call=f"CA{number}")
        events[1] = start(f"CA{number}", session)
        world.put(*events, stream=f"s{number}", tenant=tenant)

    world.read(3)

    assert _ids(world.heard) == streams
    assert len(world.heard) == len(streams) * 15


def test_reader_gives_earlier_events_with_a_late_start() -> None:
    world = World(Selection(call_id="CA1"))
    rejected = Rejected("not_json", "", 1, b"{")
    world.put(CONNECTED, rejected, media(2), Mark(sequence=3, name="m"))
    assert world.read(2) == []
    world.put(start())

    assert world.read() == [CONNECTED, rejected, media(2), Mark(sequence=3, name="m"), start()]


def test_reader_keeps_no_streams_of_other_calls() -> None:
    world = World(Selection(call_id="CA1"))
    world.put(*whole(call="CA2")[:-1], stream="other")
    world.read()
    assert len(world.reader) == 0

    world.put(media(50), stream="other")
    world.read()
    assert len(world.reader) == 0


def test_quiet_stream_of_another_call_disturbs_no_other_stream() -> None:
    world = World(Selection(call_id="CA1"))
    world.put(replace(start("CA2"), sequence=2), stream="other")
    world.put(CONNECTED, start(), media(3))
    world.read()
    world.now = 60

    assert world.read() == [media(3), StreamOver("quiet")]
    assert len(world.reader) == 0


def test_flush_gives_all_waiting_events(world: World) -> None:
    world.put(CONNECTED, start(), media(4))
    world.read()

    assert [happening.event for happening in world.reader.flush()] == [media(4)]


def test_following_sleeps_between_polls(world: World) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.put(media(len(slept) + 1))

    world.put(CONNECTED, start())
    events = world.reader.follow(sleep)

    assert [next(events).event for _ in range(4)] == [CONNECTED, start(), media(2), media(3)]
    assert slept == [0.5, 0.5]


def test_reader_gives_up_on_nothing_when_the_clock_goes_back(world: World) -> None:
    """Kinesis's times are approximate."""
    world.put(CONNECTED, start(), at=5)
    world.read()
    world.put(media(3), at=4)
    world.read(1.5)
    world.put(media(2), at=5.5)

    assert world.read() == [media(2), media(3)]


def _ids(events: Iterable[ReadEvent]) -> list[str]:
    streams: set[Stream] = {happening.stream for happening in events}
    return sorted(stream.stream_id for stream in streams)


# What was stored long ago ---------------------------------------------------------------------


def test_event_has_the_time_at_which_its_message_was_received(world: World) -> None:
    for number, received_at in ((3, 7.02), (2, 7.0), (4, 7.01)):
        world.put(media(number), at=received_at)
    world.put(start(), at=6.9)

    world.read(2)
    times = [each.received_at - BEGAN for each in world.heard]
    assert times == [6_900, 7_000, 7_020, 7_010]


def test_end_of_a_stream_has_the_time_of_the_latest_message(world: World) -> None:
    world.put(start(), at=1.0)
    world.put(GONE, at=1.5)
    world.read(5)

    assert world.heard[-1].event == StreamOver("disconnected")
    assert world.heard[-1].received_at == BEGAN + 1_500


def test_read_event_is_a_pair_of_stream_and_event(world: World) -> None:
    world.put(start())

    [read] = world.reader.poll()
    stream, event = read
    assert (stream, event) == (read.stream, read.event)
    assert event == start()


def test_poll_takes_a_second_of_what_was_stored(world: World) -> None:
    for number, at in enumerate((0.0, 0.999, 1.0, 1.5, 60.0), start=2):
        world.put(media(number), at=at)
    world.put(start(), at=60.0)
    given: list[list[int]] = []
    due: list[float] = []
    while world.waiting or world.reader.has_more:
        events = [each.event for each in world.reader.poll()]
        given.append([event.sequence or 0 for event in events if isinstance(event, Start | Media)])
        due.append(world.reader.seconds_until_due())

    assert given == [[], [2, 3, 4, 5], [6, 1]]
    assert due == [0.0, 0.0, 0.5]


def test_second_start_with_another_call_ends_nothing_and_selects_nothing() -> None:
    again = replace(start("CA2"), sequence=3)
    events: list[RecordEvent] = [CONNECTED, start("CA1"), media(2), again, media(4)]
    events += [Stop(sequence=5), GONE]
    first, second = World(Selection(call_id="CA1")), World(Selection(call_id="CA2"))
    for world in (first, second):
        world.put(*events)
        world.read(5)

    assert [each.event for each in first.heard] == [*events, StreamOver("disconnected")]
    assert all(each.stream.start == start("CA1") for each in first.heard)
    assert second.heard == []


@pytest.mark.parametrize("started_as", ["telnyx", "signalwire", "twilio"])
def test_start_tells_the_dialect_of_a_stream_whose_first_message_looks_like_twilios(
    world: World, started_as: str
) -> None:
    world.put(CONNECTED, dialect="twilio")
    world.put(start(), media(2), dialect=started_as)
    world.read(2)

    assert {each.stream.dialect for each in world.heard} == {started_as}
