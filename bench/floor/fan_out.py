"""Kinesis: posts records to the pump's connection, unchanged."""

import os
from base64 import b64decode
from typing import Any

import boto3

_connections = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["CONNECTIONS_URL"])
_subscribers: list[str] = []


def handler(event: dict[str, Any], _context: object) -> None:
    """Post a batch, one message a line."""
    lines: list[bytes] = []
    for record in event["Records"]:
        data = b64decode(record["kinesis"]["data"])
        if data.startswith(b"connection="):
            _subscribers[:] = [data.decode().partition("=")[2]]
        else:
            lines.append(data)
    for connection_id in [*_subscribers] if lines else ():
        try:
            _connections.post_to_connection(ConnectionId=connection_id, Data=b"\n".join(lines))
        except _connections.exceptions.GoneException:
            # The pump of the call before; the present pump has not subscribed yet.
            _subscribers.clear()
