"""The sinks of records: the Kinesis stream, and the SQS queue for records that Kinesis refuses.

The per-frame function imports this module. So the module uses no botocore, and makes the SQS client
on first use.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from callstream.adapters.aws.signed_client import Patience, RequestFailed, SignedClient

# With 50 frames a second, each second of waiting means 50 more functions at once. A record that
# Kinesis does not take soon goes to the overflow queue instead. Where Kinesis throttles, the caller
# knows whether to wait.
_KINESIS: Final = Patience(
    connect_seconds=0.5, answer_seconds=1, tries=2, pause_seconds=0.1, repeats_throttled=False
)
_SQS: Final = Patience(connect_seconds=0.5, answer_seconds=1, tries=2, pause_seconds=0.1)

# The attribute of an overflow message that carries the record's partition key.
_PARTITION_KEY: Final = "PartitionKey"


@contextmanager
def _refusals(service: str) -> Iterator[None]:
    """Raise `Unavailable` for every error, a denied action too: the record must go elsewhere."""
    try:
        yield
    except RequestFailed as failed:
        raise failed.unavailable(service) from failed


class KinesisSink:
    """Puts records on a Kinesis stream, for any number of threads.

    Raises:
        Unavailable: the environment has no credentials, or names no region.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        with _refusals("kinesis"):
            self._client = SignedClient("kinesis", _KINESIS)

    def connect(self) -> None:
        """Make a connection for the next record, if Kinesis can be reached."""
        self._client.connect()

    def put(self, partition_key: str, data: bytes) -> None:
        """Put one record, perhaps twice: readers drop repeats.

        Raises:
            Throttled: the shard has had more records than it takes in a second.
            Unavailable: Kinesis did not take the record, after two tries where a retry can help.
        """
        record = {"StreamName": self._stream, "PartitionKey": partition_key, "Data": data}
        with _refusals("kinesis"):
            self._client.call("Kinesis_20131202.PutRecord", "1.1", record)


class OverflowSink:
    """Queues records that Kinesis did not take, in base64, because SQS bodies are text."""

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url

    @cached_property
    def _client(self) -> SignedClient:
        return SignedClient("sqs", _SQS)

    def put(self, partition_key: str, data: bytes) -> None:
        """Queue one record, perhaps twice.

        Raises:
            Unavailable: SQS did not take the record.
        """
        message = {
            "QueueUrl": self._queue_url,
            "MessageBody": b64encode(data).decode(),
            "MessageAttributes": {
                _PARTITION_KEY: {"DataType": "String", "StringValue": partition_key}
            },
        }
        with _refusals("sqs"):
            self._client.call("AmazonSQS.SendMessage", "1.0", message)


def overflow_record(message: Mapping[str, Any]) -> tuple[str, bytes]:
    """The partition key and record of an overflow message, as Lambda receives it from SQS."""
    return message["messageAttributes"][_PARTITION_KEY]["stringValue"], b64decode(message["body"])
