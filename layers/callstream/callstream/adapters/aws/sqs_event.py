"""What Lambda expects of a function that takes batches of SQS messages."""

from collections.abc import Mapping, Sequence
from typing import Any


def retry(messages: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """The function's answer: SQS delivers these messages again, and the others are done."""
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in messages]}
