"""`media`: puts the message on Kinesis."""

import os
from typing import Any

import boto3

_kinesis = boto3.client("kinesis")


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Put the message."""
    _kinesis.put_record(
        StreamName=os.environ["STREAM"], PartitionKey="frames", Data=event["body"].encode()
    )
    return {"statusCode": 200}
