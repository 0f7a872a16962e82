"""Lambda's event of a Kinesis stream. It needs no library: functions on the frame path start fast.

Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html.
"""

from base64 import b64decode
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple


class KinesisEntry(NamedTuple):
    """One record of the event, as it is on Kinesis."""

    data: bytes
    position: str
    """Kinesis's own number: up to 128 bits as decimal text, ascending in a stream."""
    arrived_at: float
    """When Kinesis took it, in seconds since 1970."""


def entries_by_stream(event: Mapping[str, Any]) -> dict[str, list[KinesisEntry]]:
    """The records of each media stream, by its id, in the order of the event.

    The partition key is the stream's id, so that no record needs to be decoded.
    """
    streams: defaultdict[str, list[KinesisEntry]] = defaultdict(list)
    for entry in event["Records"]:
        kinesis = entry["kinesis"]
        streams[kinesis["partitionKey"]].append(
            KinesisEntry(
                b64decode(kinesis["data"]),
                kinesis["sequenceNumber"],
                float(kinesis["approximateArrivalTimestamp"]),
            )
        )
    return dict(streams)


def retry_from(*positions: str) -> dict[str, list[dict[str, str]]]:
    """The function's answer: Lambda delivers again from the lowest of these positions on."""
    return {"batchItemFailures": [{"itemIdentifier": position} for position in positions]}
