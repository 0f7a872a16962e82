"""The records of a run's calls on the frames stream, each call by itself."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from callstream.adapters.aws.kinesis_reader import POLL_SECONDS, FrameStreamReader
from callstream.console.views import Activity, CallView, StreamView
from callstream.dialects.events import Media, Track
from callstream.frames.records import Record
from callstream_cli.demo.landing import Landing
from callstream_cli.operator.activity import activity_of
from callstream_cli.operator.errors import output
from callstream_cli.verify.deployed import Deployed

_LOCAL_POLL_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.25
# After the last record has come: the counters, and the end of a stream, come some seconds later.
PATIENCE_SECONDS: Final = 30.0


@dataclass(slots=True)
class Landed(Landing):
    """A stream's records, with the time at which API Gateway received each frame."""

    received_at: dict[int, int] = field(default_factory=dict)
    """By the sequence number of the frame; in milliseconds since 1970."""
    dialect: str | None = None
    unreadable: int = 0
    """How many records cannot be read."""

    def add(self, record: Record, arrived_at: int) -> None:
        """Take one record."""
        Landing.add(self, record, arrived_at)
        self.dialect = record.dialect or self.dialect
        if isinstance(record.event, Media):
            self.received_at.setdefault(record.event.sequence, record.received_at)

    def frames(self, track: Track) -> list[Media]:
        """The frames of a track, in order."""
        events = self.recording.events()
        return [event for event in events if isinstance(event, Media) and event.track == track]


@dataclass(frozen=True, slots=True)
class Calls:
    """What a deployment knows of calls."""

    activity: Activity

    @classmethod
    def of(cls, deployed: Deployed) -> "Calls":
        """The calls of a deployment."""
        return cls(activity_of(deployed.outputs))

    def call(self, tenant_id: str, call_id: str) -> CallView | None:
        """A tenant's call, once its `start` is known."""
        return next(iter(self.activity.calls_named(call_id, [tenant_id])), None)

    def streams(self, tenant_id: str, call_id: str) -> list[StreamView]:
        """The streams of a call."""
        call = self.call(tenant_id, call_id)
        return [] if call is None else self.activity.whole(call).streams


async def streams_of(
    calls: Calls, wanted: Mapping[tuple[str, str], int], *, patience: float = PATIENCE_SECONDS
) -> Mapping[tuple[str, str], StreamView]:
    """The only stream of each call, by the tenant's id and the call's; unknown calls are left out.

    Waits until every stream is closed and counted.

    Args:
        calls: the deployment's.
        wanted: how many frames each of the calls has, at least.
        patience: how long to wait, in seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        found = {
            key: streams[0]
            for key in wanted
            if (streams := await asyncio.to_thread(calls.streams, *key))
        }
        over = len(found) == len(wanted) and all(
            each.closed_at and sum(each.frames.values()) >= wanted[key]
            for key, each in found.items()
        )
        if over or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_LOOK_SECONDS)


async def read(
    deployed: Deployed,
    stream_ids: Sequence[str],
    since: datetime,
    *,
    patience: float = PATIENCE_SECONDS,
) -> Mapping[str, Landed]:
    """Read streams until all of them have ended, or nothing comes any more.

    Args:
        deployed: the deployment.
        stream_ids: which streams.
        since: nothing before is read.
        patience: how long to wait for a record, in seconds.

    Returns:
        The streams by their ids.

    Raises:
        Unavailable: Kinesis did not answer.
    """
    landed = {stream_id: Landed(stream_id) for stream_id in stream_ids}
    reader = await asyncio.to_thread(
        lambda: FrameStreamReader(
            deployed.client("kinesis"),
            output(deployed.outputs, "FramesStreamName"),
            since,
            partition_keys=stream_ids,
            poll_seconds=_LOCAL_POLL_SECONDS if deployed.is_local else POLL_SECONDS,
        )
    )
    give_up_at = time.monotonic() + patience
    while True:
        for arrival in await asyncio.to_thread(reader.poll):
            # Other streams have the same shard.
            if (stream := landed.get(arrival.partition_key)) is None:
                continue
            give_up_at = time.monotonic() + patience
            if isinstance(arrival.record, Record):
                stream.add(arrival.record, arrival.arrived_at)
            else:
                stream.unreadable += 1
        over = all(each.recording.disconnected and each.complete for each in landed.values())
        if (over and reader.caught_up) or time.monotonic() > give_up_at:
            return landed
        await asyncio.sleep(reader.seconds_until_due())
