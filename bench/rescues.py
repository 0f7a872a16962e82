"""Twenty relays of one shard that are rescued at once, and the readers of live audio beside them.

The emulator has none of Kinesis's limits on reads, so a model of a shard has them: 5 reads and 2 MB
a second, all readers together. The reading is the relays' own; time is virtual. For comparison all
come at once: each asks for 10,000 records every half second, and gives up after 10 seconds.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from bench.measures import Measure
from callstream.adapters.aws.kinesis_backlog import KinesisBacklog
from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.dialects.events import Media
from callstream.errors import ConditionFailed
from callstream.frames import records
from callstream.frames.records import Record
from callstream.ports import Item, Table
from callstream.relays.catching_up import read_up
from callstream.relays.read_turns import MOST_RECORDS, ReadTurns
from callstream.relays.timings import RelayTimings
from tests.unit.relays.scenes import play_without_waiting

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

RELAYS: Final = 20
MISSED_SECONDS: Final = 10.0
"""A run that has lost its feed goes on 5 s before its last checkpoint, which is up to 2 s old, and
is rescued within 3 s."""
_RECORDS_A_SECOND: Final = 1000
_RECORD_BYTES: Final = 343
_READS_A_SECOND: Final = 5
_BYTES_A_SECOND: Final = 2_000_000
_MOST_BYTES: Final = 10_000_000
_PROPAGATION: Final = 2.0
# Lambda reads a shard once a second: for the fan-out, and for the counters.
_LIVE_READERS: Final = 2
_LIVE_SECONDS: Final = 1.0


class Shard:
    """A full shard, with records of `RELAYS` streams in turn. Their numbers are their times."""

    exceptions = SimpleNamespace(ExpiredIteratorException=type("Expired", (Exception,), {}))

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._reads: deque[float] = deque()
        self._debt = 0.0
        self._debt_at = 0.0
        frames = [Media(1, "inbound", 1, 20, b"\x7f" * 160)] * RELAYS
        self._data = [
            records.encode(Record(f"s{number}", "acme", "genagent", "twilio", 0, frame))
            for number, frame in enumerate(frames)
        ]

    def list_shards(self, **_request: object) -> dict[str, Any]:
        """One shard, for all keys."""
        keys = {"StartingHashKey": "0", "EndingHashKey": str((1 << 128) - 1)}
        return {"Shards": [{"ShardId": "shard-0", "HashKeyRange": keys}]}

    def get_shard_iterator(self, *, Timestamp: datetime, **_more: object) -> dict[str, Any]:  # noqa: N803
        """The place at a moment: the number of the next record."""
        return {"ShardIterator": str(round(Timestamp.timestamp() * _RECORDS_A_SECOND))}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803
        """The next records, if the shard's limits have room."""
        first, now = int(ShardIterator), self._now()
        self._count(now)
        there = round(now * _RECORDS_A_SECOND)
        last = min(first + min(Limit, _MOST_BYTES // _RECORD_BYTES), there)
        self._debt += max(0, last - first) * _RECORD_BYTES
        return {
            "Records": [self._record(number) for number in range(first, last)],
            "NextShardIterator": str(max(first, last)),
            "MillisBehindLatest": round((there - max(first, last)) * 1000 / _RECORDS_A_SECOND),
        }

    def _count(self, now: float) -> None:
        """Count a read. Raises `ClientError` if reads or bytes of this second are used up."""
        while self._reads and self._reads[0] <= now - 1:
            self._reads.popleft()
        self._debt = max(0.0, self._debt - (now - self._debt_at) * _BYTES_A_SECOND)
        self._debt_at = now
        if len(self._reads) >= _READS_A_SECOND or self._debt >= _BYTES_A_SECOND:
            raise ClientError(
                {
                    "Error": {"Code": "ProvisionedThroughputExceededException"},
                    "ResponseMetadata": {"HTTPStatusCode": 400},  # type: ignore[typeddict-item]
                },
                "GetRecords",
            )
        self._reads.append(now)

    def _record(self, number: int) -> dict[str, Any]:
        return {
            "SequenceNumber": str(number),
            "Data": self._data[number % RELAYS],
            "PartitionKey": f"s{number % RELAYS}",
            "ApproximateArrivalTimestamp": datetime.fromtimestamp(number / 1000, UTC),
        }


class TurnTable:
    """The item of the turns, as a table has it."""

    def __init__(self) -> None:
        self._turn: int | None = None

    def update(self, request: Item) -> Item:
        """Take a turn on its condition. Raises `ConditionFailed`."""
        values = request["ExpressionAttributeValues"]
        is_first = self._turn is None or self._turn < values[":turn"]
        if is_first != (":absurd" in values):
            raise ConditionFailed
        self._turn = values[":turn"] if self._turn is None or is_first else self._turn + 1
        return {"turn": self._turn}


@dataclass
class Report:
    """What happened: times in seconds, one for each relay, and what live readers met."""

    caught_up: list[float] = field(default_factory=list)
    missing: int = 0
    live_refused: int = 0
    live_delay: float = 0.0


async def _live(shard: Shard, report: Report, offset: float) -> None:
    now = asyncio.get_running_loop().time
    place = now()
    await asyncio.sleep(offset)
    while True:
        report.live_delay = max(report.live_delay, now() - place)
        try:
            answer = shard.get_records(
                ShardIterator=str(round(place * _RECORDS_A_SECOND)), Limit=10_000
            )
        except ClientError:
            report.live_refused += 1
        else:
            place = int(answer["NextShardIterator"]) / _RECORDS_A_SECOND
        await asyncio.sleep(_LIVE_SECONDS)


async def _rescue(
    shard: Shard, report: Report, stream_id: str, turns: ReadTurns | None, patience: float
) -> None:
    now = asyncio.get_running_loop().time
    began = now()
    since, until = began - MISSED_SECONDS, began + _PROPAGATION

    def open_reader() -> FrameStreamReader:
        return FrameStreamReader(
            cast("KinesisClient", shard),
            "frames",
            datetime.fromtimestamp(since, UTC),
            partition_keys=[stream_id],
            poll_seconds=0.5 if turns is None else 0.0,
            most_records=10_000 if turns is None else MOST_RECORDS,
            admit=None if turns is None else turns.take,
            clock=now,
        )

    found = 0
    async for part in read_up(KinesisBacklog(open_reader, {stream_id}, now), until, patience):
        found += len(part)
    report.caught_up.append(now() - began)
    wanted = round((until - since) * _RECORDS_A_SECOND / RELAYS)
    report.missing += max(0, wanted - found - 1)


def simulate(*, in_turn: bool) -> Report:
    """Rescue all relays at once; they read in turns, or all at once."""
    report = Report()
    random.seed(RELAYS)  # of the pauses after refusals

    async def act() -> None:
        now = asyncio.get_running_loop().time
        shard = Shard(now)
        turns = ReadTurns(cast("Table", TurnTable()), now) if in_turn else None
        patience = RelayTimings().catching_up if in_turn else 10.0
        live = [
            asyncio.create_task(_live(shard, report, 0.1 + 0.3 * number))
            for number in range(_LIVE_READERS)
        ]
        await asyncio.sleep(5)
        # Lambda starts them within some tenths of a second.
        async with asyncio.TaskGroup() as rescues:
            for number in range(RELAYS):
                await asyncio.sleep(0.02)
                rescues.create_task(_rescue(shard, report, f"s{number}", turns, patience))
        for task in live:
            task.cancel()

    play_without_waiting(act)
    return report


def measure() -> list[Measure]:
    """Both ways, side by side."""
    lines: list[Measure] = []
    for name, in_turn in (("all at once", False), ("in turns", True)):
        found = simulate(in_turn=in_turn)
        values = (
            ("reads of live readers refused", found.live_refused, "", 0),
            ("longest delay of live audio", found.live_delay, "s", 1.05),
            ("last relay has all after", max(found.caught_up), "s", 120),
            ("records that relays lack", found.missing, "", 0),
        )
        for what, value, unit, budget in values:
            lines.append(
                Measure(
                    section="rescues",
                    name=f"{RELAYS} rescues at a full shard, {name}: {what}",
                    value=value,
                    unit=unit,
                    budget=budget if in_turn else None,
                    digits=1,
                )
            )
    return lines
