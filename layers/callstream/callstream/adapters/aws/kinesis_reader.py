"""Follows the frames stream: every shard, from a starting point, as records arrive."""

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import boto3

from callstream.adapters.aws._clients import CONFIG, unavailable
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.arrivals import Arrival

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import (
        ChildShardTypeDef,
        GetShardIteratorInputTypeDef,
        HashKeyRangeTypeDef,
        ListShardsInputTypeDef,
        RecordTypeDef,
        ShardFilterTypeDef,
    )

    from callstream.frames.records import Record

# AWS allows five reads of a shard a second, all readers together; this leaves room for another.
POLL_SECONDS: Final = 0.5
MOST_RECORDS: Final = 2000
"""So many records are read at once: frames of 0.7 MB. All readers of a shard together may read 2 MB
a second, and whoever reads more at once keeps the others from reading for seconds."""

Position: TypeAlias = Literal["TRIM_HORIZON", "LATEST"] | datetime
"""Where to begin: with the oldest record that is kept, with the next one, or at a moment."""


@dataclass(slots=True)
class _Shard:
    shard_id: str
    position: Position
    iterator: str = ""
    """Empty until it is needed."""
    last: str = ""
    due_at: float = 0.0
    is_admitted: bool = False
    is_behind: bool = True
    read_until: float = -math.inf
    """Everything that came on the shard before this moment, by our clock, has been read."""
    covered_until: float = -math.inf
    """The same if the shard was not read to its end; then by Kinesis's report, and so about."""


def kinesis_client() -> "KinesisClient":
    """A Kinesis client with bounded retries, for the account and region of the environment."""
    return boto3.client("kinesis", config=CONFIG)


class FrameStreamReader:
    """Reads a Kinesis stream from a starting point on.

    The starting point is fixed when the reader is made, so a caller may make the reader, cause
    records, and then read them. When a shard ends (resharding), its children are read after it.
    From a moment on, Kinesis is asked for the place in a shard when the shard is first read.

    Args:
        client: a Kinesis client (`kinesis_client`).
        stream: the stream's name.
        position: where to begin.
        partition_keys: only the shards with records of these are read, and the shards that follow
            them; None for all shards.
        poll_seconds: the least time between two reads of one shard.
        most_records: so many records of a shard are read at once, 10,000 at most.
        admit: is asked before each read of a shard, by the shard's id; returns after how many
            seconds the shard may be read. May raise `Unavailable`, as `poll` does. None: at once.
        clock: monotonic time in seconds.

    Raises:
        Unavailable: Kinesis did not answer.
    """

    # It has 16 methods: seven for its users, and one for each step of following a shard.

    def __init__(
        self,
        client: "KinesisClient",
        stream: str,
        position: Position,
        *,
        partition_keys: Collection[str] | None = None,
        poll_seconds: float = POLL_SECONDS,
        most_records: int = MOST_RECORDS,
        admit: Callable[[str], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._stream = stream
        self._hashes = None if partition_keys is None else [*map(_hash, partition_keys)]
        self._poll_seconds = poll_seconds
        self._most_records = most_records
        self._admit = admit
        self._clock = clock
        self._opened_at = datetime.now(UTC)
        self._shards: dict[str, _Shard] = {}
        # For each shard that has ended, the shards that now have its streams.
        self._heirs: dict[str, set[str]] = {}
        for shard_id in self._list_shards(position):
            self._open(shard_id, position)

    def poll(self) -> list[Arrival]:
        """Read every shard that is due, once.

        Raises:
            Unavailable: Kinesis did not answer. Nothing is lost: the next poll goes on from here.
        """
        arrivals: list[Arrival] = []
        for shard in list(self._shards.values()):
            now = self._clock()
            if now < shard.due_at:
                continue
            shard.due_at = now + self._poll_seconds
            try:
                if not self._is_admitted(shard, now):
                    continue
                arrivals += self._read(shard, now)
            except Unavailable:
                if not arrivals:
                    raise
                # The exception must not lose the records of other shards.
                break
        return arrivals

    @property
    def caught_up(self) -> bool:
        """Whether everything has been read that was on the stream at the last poll."""
        return not any(shard.is_behind for shard in self._shards.values())

    def has_covered(self, moment: float) -> bool:
        """Whether everything has been read that came before a moment, by `clock`."""
        return all(shard.covered_until >= moment for shard in self._shards.values())

    def seconds_behind(self, shard_id: str) -> float:
        """How long ago everything on a shard had been read; infinite if it never was.

        For a shard that has ended, its children count, because its streams go on there.
        """
        shards = self._heirs.get(shard_id, {shard_id})
        now = self._clock()
        return now - min((self._read_until(heir) for heir in shards), default=now)

    def seconds_until_due(self) -> float:
        """How long until a poll would read something; 0 if it would now."""
        due_at = min((shard.due_at for shard in self._shards.values()), default=0.0)
        return max(0.0, due_at - self._clock())

    def follow(self, sleep: Callable[[float], object] = time.sleep) -> Iterator[Arrival]:
        """Yield records as they arrive, for ever. Raises `Unavailable` as `poll` does."""
        while True:
            yield from self.poll()
            sleep(self.seconds_until_due())

    def _list_shards(self, position: Position) -> list[str]:
        """The shards that were open at the starting point; `_follow_child` finds the later ones."""
        request: ListShardsInputTypeDef = {
            "StreamName": self._stream,
            "ShardFilter": _shard_filter(position),
        }
        shards: list[str] = []
        while True:
            with unavailable("kinesis"):
                answer = self._client.list_shards(**request)
            shards += [
                shard["ShardId"]
                for shard in answer["Shards"]
                if self._is_wanted(shard["HashKeyRange"])
            ]
            if not (token := answer.get("NextToken")):
                return shards
            # AWS refuses every other argument beside a token.
            request = {"NextToken": token}

    def _is_wanted(self, keys: "HashKeyRangeTypeDef") -> bool:
        """Whether a shard with these hash keys has records of the partition keys."""
        first, last = int(keys["StartingHashKey"]), int(keys["EndingHashKey"])
        return self._hashes is None or any(first <= each <= last for each in self._hashes)

    def _open(self, shard_id: str, position: Position) -> None:
        shard = _Shard(shard_id, position)
        if not isinstance(position, datetime):
            shard.iterator = self._iterator(shard)
        if position == "LATEST":
            # Should the iterator expire before the first record, we go on from this moment.
            shard.position = self._opened_at
        self._shards[shard_id] = shard

    def _is_admitted(self, shard: _Shard, now: float) -> bool:
        """Whether it is the turn of this reader on a shard; if not, the shard is due then."""
        if self._admit is not None and not shard.is_admitted:
            if wait := self._admit(shard.shard_id):
                shard.due_at = now + wait
            shard.is_admitted = True
            return not wait
        shard.is_admitted = False
        return True

    def _iterator(self, shard: _Shard) -> str:
        request: GetShardIteratorInputTypeDef = {
            "StreamName": self._stream,
            "ShardId": shard.shard_id,
            "ShardIteratorType": "AT_TIMESTAMP",
        }
        if shard.last:
            request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER"
            request["StartingSequenceNumber"] = shard.last
        elif isinstance(shard.position, datetime):
            request["Timestamp"] = shard.position
        else:
            request["ShardIteratorType"] = shard.position
        with unavailable("kinesis"):
            return self._client.get_shard_iterator(**request)["ShardIterator"]

    def _read(self, shard: _Shard, now: float) -> list[Arrival]:
        # Nothing may fail after the answer: Kinesis gives it only once.
        shard.iterator = shard.iterator or self._iterator(shard)
        limit = self._most_records
        with unavailable("kinesis"):
            try:
                answer = self._client.get_records(ShardIterator=shard.iterator, Limit=limit)
            except self._client.exceptions.ExpiredIteratorException:
                shard.iterator = self._iterator(shard)
                answer = self._client.get_records(ShardIterator=shard.iterator, Limit=limit)
        if answer["Records"]:
            shard.last = answer["Records"][-1]["SequenceNumber"]
        behind_ms = answer.get("MillisBehindLatest", 0)
        shard.covered_until = now - behind_ms / 1000
        shard.is_behind = behind_ms > 0
        if not shard.is_behind:
            shard.read_until = now
        # A shard that has ended gives no further iterator.
        if iterator := answer.get("NextShardIterator"):
            shard.iterator = iterator
        else:
            self._end(shard.shard_id, answer.get("ChildShards", []))
        return [_arrival(shard.shard_id, record) for record in answer["Records"]]

    def _end(self, shard_id: str, children: "list[ChildShardTypeDef]") -> None:
        del self._shards[shard_id]
        heirs: set[str] = set()
        for child in children:
            if not self._is_wanted(child["HashKeyRange"]):
                continue
            heirs |= self._heirs.get(child["ShardId"], {child["ShardId"]})
            self._follow_child(child["ShardId"], child["ParentShards"])
        for others in self._heirs.values():
            if shard_id in others:
                others.remove(shard_id)
                others.update(heirs)
        self._heirs[shard_id] = heirs

    def _follow_child(self, shard_id: str, parents: list[str]) -> None:
        # The last parent of a merge to end adds the child, so that its records come after theirs.
        if shard_id in self._shards or shard_id in self._heirs:
            return
        if not any(parent in self._shards for parent in parents):
            self._shards[shard_id] = _Shard(shard_id, "TRIM_HORIZON")

    def _read_until(self, shard_id: str) -> float:
        # The child of a merge is not read until both of its parents have ended.
        shard = self._shards.get(shard_id)
        return shard.read_until if shard else -math.inf


def _hash(partition_key: str) -> int:
    """Kinesis's own hash, which chooses the shard."""
    return int(md5(partition_key.encode(), usedforsecurity=False).hexdigest(), 16)


def _shard_filter(position: Position) -> "ShardFilterTypeDef":
    match position:
        case "LATEST":
            return {"Type": "AT_LATEST"}
        case "TRIM_HORIZON":
            return {"Type": "AT_TRIM_HORIZON"}
        case moment:
            return {"Type": "AT_TIMESTAMP", "Timestamp": moment}


def _arrival(shard_id: str, record: "RecordTypeDef") -> Arrival:
    content: Record | UnreadableMessage
    try:
        content = records.decode(record["Data"])
    except UnreadableMessage as error:
        content = error
    return Arrival(
        record=content,
        partition_key=record["PartitionKey"],
        shard_id=shard_id,
        arrived_at=round(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
    )
