"""A pump subscribes: its connection id goes through the stream, so that no table is needed."""

import os
from typing import Any

import boto3

_kinesis = boto3.client("kinesis")


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Put the connection's id."""
    _kinesis.put_record(
        StreamName=os.environ["STREAM"],
        PartitionKey="frames",
        Data=f"connection={event['requestContext']['connectionId']}".encode(),
    )
    return {"statusCode": 200}
