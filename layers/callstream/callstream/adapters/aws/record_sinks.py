"""The sinks of records: the Kinesis stream, and the SQS queue for records that Kinesis refuses.

The per-frame function imports this module. So the module uses botocore only, and makes the SQS
client on first use.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from callstream.adapters.aws._clients import SINK_CONFIG
from callstream.adapters.aws._refusals import refusal
from callstream.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_sqs import SQSClient

# The attribute of an overflow message that carries the record's partition key.
_PARTITION_KEY = "PartitionKey"


@contextmanager
def _refusals(service: str) -> Iterator[None]:
    """Raise `Unavailable` for every error, a denied action too: the record must go elsewhere."""
    try:
        yield
    except ClientError as error:
        raise refusal(service, error.response["Error"]["Code"]) from error
    except BotoCoreError as error:
        raise Unavailable(service, type(error).__name__) from error


class KinesisSink:
    """Puts records on a Kinesis stream."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._client: KinesisClient = get_session().create_client(  # type: ignore[assignment]
            "kinesis", config=SINK_CONFIG
        )

    def put(self, partition_key: str, data: bytes) -> None:
        """Put one record.

        Raises:
            Throttled: the shard has had more records than it takes in a second.
            Unavailable: Kinesis did not take the record, after two tries where a retry can help.
        """
        with _refusals("kinesis"):
            self._client.put_record(StreamName=self._stream, PartitionKey=partition_key, Data=data)


class OverflowSink:
    """Queues records that Kinesis did not take, in base64, because SQS bodies are text."""

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url

    @cached_property
    def _client(self) -> "SQSClient":
        return get_session().create_client("sqs", config=SINK_CONFIG)  # type: ignore[return-value]

    def put(self, partition_key: str, data: bytes) -> None:
        """Queue one record.

        Raises:
            Unavailable: SQS did not take the record.
        """
        with _refusals("sqs"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=b64encode(data).decode(),
                MessageAttributes={
                    _PARTITION_KEY: {"DataType": "String", "StringValue": partition_key}
                },
            )


def overflow_record(message: Mapping[str, Any]) -> tuple[str, bytes]:
    """The partition key and record of an overflow message, as Lambda receives it from SQS."""
    return message["messageAttributes"][_PARTITION_KEY]["stringValue"], b64decode(message["body"])
