"""Streams and calls as the Streams table has them, for tests that need some and no table."""

from typing import Any

from callstream.calls.call_requests import call_key
from callstream.calls.model import Call, MediaStream, StartedStream
from callstream.ports import Item


def _connected(stream_id: str) -> dict[str, Any]:
    return {
        "stream_id": stream_id,
        "tenant_id": "acme",
        "route": "genagent",
        "connection_id": f"connection-{stream_id}",
        "state": "connected",
        "live": "yes",
        "connected_at": 0,
        "expires_at": 0,
    }


def connected_stream(stream_id: str = "s1", **fields: Any) -> MediaStream:
    """A stream that has not started, with these attributes instead of the usual ones."""
    return MediaStream.from_item(_connected(stream_id) | fields)


def started_stream(stream_id: str = "s1", **fields: Any) -> StartedStream:
    """A stream of a Twilio call in µ-law, with these attributes instead of the usual ones."""
    started = {
        "state": "streaming",
        "dialect": "twilio",
        "call_id": "CA1",
        "carrier_stream_id": f"MZ-{stream_id}",
        "account_id": "AC1",
        "tracks": ["inbound"],
        "encoding": "PCMU",
        "sample_rate": 8000,
        "channels": 1,
        "started_at": 0,
    }
    return StartedStream.from_item(_connected(stream_id) | started | fields)


def call_item(call_id: str = "CA1", **fields: Any) -> Item:
    """The item of an active call with the open stream `s1`, with these attributes instead."""
    usual: Item = {
        "tenant_id": "acme",
        "call_id": call_id,
        "account_id": "AC1",
        "state": "active",
        "streams": {"s1"},
        "open_streams": {"s1"},
        "started_at": 0,
        "expires_at": 2_000_000_000,
    }
    item = usual | fields
    return call_key(item["tenant_id"], call_id) | item


def active_call(call_id: str = "CA1", **fields: Any) -> Call:
    """The call of `call_item`."""
    return Call.from_item(call_item(call_id, **fields))
