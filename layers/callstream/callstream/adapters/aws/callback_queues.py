"""The queues of callbacks: one for their delivery, and the dead-letter queue.

The first is a FIFO queue with the relay as message group: while a callback waits, the callbacks
behind it wait too.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.session import get_session
from msgspec import Struct

from callstream.adapters.aws._clients import CONFIG, unavailable
from callstream.callbacks.model import RelayCallback, decode, encode

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

CRASHED: Final = "crashed"
"""The reason of a callback that SQS itself has given up: its deliveries ended without a result."""

# The attributes of a message in the dead-letter queue.
_REASON: Final = "Reason"
_ATTEMPTS: Final = "Attempts"

# SQS's own limit.
_MOST_AT_ONCE: Final = 10
_HELD_SECONDS: Final = 30
_MOST_READ: Final = 1000


def _client() -> "SQSClient":
    return get_session().create_client("sqs", config=CONFIG)  # type: ignore[return-value]


class SqsCallbackQueue:
    """The queue in which callbacks wait for their delivery.

    Args:
        queue_url: of the FIFO queue.
    """

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        self._sqs = _client()

    def send(self, callback: RelayCallback) -> None:
        """Queue a callback; a repetition within 5 minutes is dropped. Raises `Unavailable`."""
        self._send(callback, callback.callback_id)

    def send_again(self, callback: RelayCallback, message_id: str) -> None:
        """Queue a callback of the dead-letter queue, by its message's id. Raises `Unavailable`."""
        self._send(callback, f"{callback.callback_id}/{message_id}")

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Let a callback that was received, and those behind it, wait. Raises `Unavailable`."""
        with unavailable("sqs"):
            self._sqs.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )

    def length(self) -> int:
        """The approximate number of queued callbacks. Raises `Unavailable`."""
        visible: Final = "ApproximateNumberOfMessages"
        hidden: Final = "ApproximateNumberOfMessagesNotVisible"
        with unavailable("sqs"):
            counts = self._sqs.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=[visible, hidden]
            )["Attributes"]
        return int(counts[visible]) + int(counts[hidden])

    def _send(self, callback: RelayCallback, deduplication_id: str) -> None:
        with unavailable("sqs"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=encode(callback),
                MessageGroupId=callback.relay.relay_id,
                MessageDeduplicationId=deduplication_id,
            )


class DeadCallback(Struct, frozen=True):
    """A callback that was given up: after how many attempts, why, and when (UTC)."""

    callback: RelayCallback
    attempts: int
    reason: str
    given_up_at: datetime
    message_id: str
    receipt_handle: str


class DeadCallbacks:
    """The dead-letter queue of callbacks, of which up to 1,000 are read.

    SQS hides a message that was received from other readers for a while, so of two readers at the
    same time one may see less. Every method raises `Unavailable`.

    Args:
        queue_url: of the FIFO queue.
    """

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        self._sqs = _client()

    def give_up(self, callback: RelayCallback, attempts: int, reason: str, message_id: str) -> None:
        """Give up a callback; `message_id` is the id of its message in the first queue."""
        with unavailable("sqs"):
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=encode(callback),
                # Not the relay's id: receiving one message of a group hides the others.
                MessageGroupId=callback.callback_id,
                # Not the callback's id: a callback that is sent again may fail again at once.
                MessageDeduplicationId=message_id,
                MessageAttributes={
                    _REASON: {"DataType": "String", "StringValue": reason},
                    _ATTEMPTS: {"DataType": "Number", "StringValue": str(attempts)},
                },
            )

    def look(self) -> list[DeadCallback]:
        """The callbacks in the order of their events; all of them stay in the queue."""
        found = self._receive()
        self._give_back(found)
        return found

    def resend(self, queue: SqsCallbackQueue, callback_id: str | None = None) -> list[DeadCallback]:
        """Put this callback, or all, back into the first queue, in the order of their events.

        Returns:
            The callbacks that were put back. The others stay in the dead-letter queue.
        """
        left = self._receive()
        sent: list[DeadCallback] = []
        try:
            for dead in list(left):
                if callback_id in {None, dead.callback.callback_id}:
                    queue.send_again(dead.callback, dead.message_id)
                    with unavailable("sqs"):
                        self._sqs.delete_message(
                            QueueUrl=self._queue_url, ReceiptHandle=dead.receipt_handle
                        )
                    left.remove(dead)
                    sent.append(dead)
        finally:
            self._give_back(left)
        return sent

    def _receive(self) -> list[DeadCallback]:
        found: list[DeadCallback] = []
        while len(found) < _MOST_READ:
            with unavailable("sqs"):
                messages = self._sqs.receive_message(
                    QueueUrl=self._queue_url,
                    MaxNumberOfMessages=_MOST_AT_ONCE,
                    VisibilityTimeout=_HELD_SECONDS,
                    WaitTimeSeconds=1,  # long polling asks all of SQS's servers
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                ).get("Messages", [])
            if not messages:
                break
            found += map(_dead, messages)
        return sorted(found, key=lambda dead: dead.callback.place)

    def _give_back(self, found: list[DeadCallback]) -> None:
        for first in range(0, len(found), _MOST_AT_ONCE):
            with unavailable("sqs"):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {
                            "Id": str(number),
                            "ReceiptHandle": dead.receipt_handle,
                            "VisibilityTimeout": 0,
                        }
                        for number, dead in enumerate(found[first : first + _MOST_AT_ONCE])
                    ],
                )


def _dead(message: "MessageTypeDef") -> DeadCallback:
    attributes = message.get("MessageAttributes", {})
    system = message["Attributes"]
    was_buried = _REASON in attributes
    return DeadCallback(
        callback=decode(message["Body"]),
        attempts=int(attributes[_ATTEMPTS]["StringValue"]) if was_buried else 0,
        reason=attributes[_REASON]["StringValue"] if was_buried else CRASHED,
        given_up_at=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC),
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
    )
