"""Counts what lands on the frames stream, into the item of each stream."""

import logging
import os
from base64 import b64decode
from collections import defaultdict
from typing import Any

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.counters import Landed, Tally
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.wiring.settings import TableSettings, load

_logger = logging.getLogger("callstream")
_tally = Tally(DynamoTable(load(TableSettings, os.environ).streams_table))


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of Kinesis records; the answer names from where on to deliver again."""
    streams: defaultdict[str, list[Landed]] = defaultdict(list)
    for entry in event["Records"]:
        kinesis = entry["kinesis"]
        try:
            record = records.decode(b64decode(kinesis["data"]))
        except UnreadableMessage as error:
            _logger.warning("not a record of this version: %s", error.reason)
            continue
        arrived_at = float(kinesis["approximateArrivalTimestamp"])
        streams[record.stream_id].append(Landed(record, kinesis["sequenceNumber"], arrived_at))
    for stream_id, landed in streams.items():
        try:
            _tally.count(stream_id, landed)
        except Unavailable:
            _logger.exception("not counted yet", extra={"stream_id": stream_id})
            # Lambda goes back to there; what was counted after it is not counted again. To try the
            # other streams could take so long that this answer is never given.
            return {"batchItemFailures": [{"itemIdentifier": landed[0].position}]}
        except Exception:
            # Not to be tried again: one stream would hold up all the others of its shard.
            _logger.exception("not counted", extra={"stream_id": stream_id})
    return {"batchItemFailures": []}
