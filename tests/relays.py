"""Relays for tests."""

from typing import Any

from callstream.relays.model import Relay


def make_relay(relay_id: str = "relay-1", **fields: Any) -> Relay:
    """A relay with a WebSocket sink, requested in 1970: Telnyx's unless `fields` say otherwise."""
    surface = fields.get("surface", "telnyx")
    defaults: dict[str, Any] = {
        "tenant_id": "acme",
        "call_id": "CA1",
        "surface": surface,
        "sink": "websocket",
        "dialect": surface,
        "url": "wss://consumer.example.com/",
        "track": "inbound_track",
        "created_at": 0,
        "updated_at": 0,
    }
    return Relay(relay_id=relay_id, **(defaults | fields))
