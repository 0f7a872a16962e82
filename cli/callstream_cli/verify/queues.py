"""Whether the queues that should be empty are empty."""

from typing import Any, Final

from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, judged

CHECK: Final = "dead-letter queues"
_QUEUE: Final = "AWS::SQS::Queue"
# What each of them holds.
_CONTENT: Final = {
    "OverflowQueue": "records that Kinesis has refused",
    "OverflowDeadLetterQueue": "records that Kinesis refused for about a day",
    "FanOutFailures": "frames that did not reach their relays in time",
    "CallbackDeadLetterQueue": "callbacks that were given up",
}
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def waiting(deployed: Deployed) -> dict[str, int]:
    """How many messages are in each of the queues, by the queue's name in the template.

    Raises:
        ClientError: SQS refuses.
        BotoCoreError: SQS does not answer.
    """
    sqs: Any = deployed.client("sqs")
    counts: dict[str, int] = {}
    for name, url in deployed.of_kind(_QUEUE).items():
        if name in _CONTENT:
            asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS])
            counts[name] = sum(int(asked["Attributes"].get(each, 0)) for each in _COUNTS)
    return counts


def queues_finding(counts: dict[str, int]) -> Finding:
    """Whether all of the queues are there and empty."""
    found = [f"the stack has no {name}" for name in _CONTENT if name not in counts]
    found += [f"{name} has {count}: {_CONTENT[name]}" for name, count in counts.items() if count]
    return judged(CHECK, found, f"{', '.join(counts)}: empty", messages=counts)
