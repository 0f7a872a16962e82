"""Counts what lands on the frames stream, into the item of each stream."""

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.counters import Landed, StreamCounters
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.kinesis_event import KinesisEntry, entries_by_stream, retry_from
from callstream.wiring.settings import TableSettings, load

_logger = logging.getLogger("callstream")
_counters = StreamCounters(DynamoTable(load(TableSettings, os.environ).streams_table))


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of Kinesis records; the answer names from where on to deliver again."""
    for stream_id, entries in entries_by_stream(event).items():
        try:
            _counters.count(stream_id, _decoded(entries))
        except Unavailable:
            _logger.exception("not counted yet", extra={"stream_id": stream_id})
            # Lambda goes back to there; what was counted after it is not counted again. To try the
            # other streams could take so long that this answer is never given.
            return retry_from(entries[0].position)
        except Exception:
            # Not to be tried again: one stream would hold up all the others of its shard.
            _logger.exception("not counted", extra={"stream_id": stream_id})
    return retry_from()


def _decoded(entries: Sequence[KinesisEntry]) -> Iterator[Landed]:
    for entry in entries:
        try:
            record = records.decode(entry.data)
        except UnreadableMessage as error:
            _logger.warning("not a record of this version: %s", error.reason)
        else:
            yield Landed(record, entry.position, entry.arrived_at)
