"""Prints the events that Callstream sends to a tenant's webhook for Telnyx.

Needs Python 3.11 or later, and nothing else. A server that others can reach must check the
signature first, for example with Telnyx's SDK: `client.webhooks.unwrap(body, headers=headers)`.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook(BaseHTTPRequestHandler):
    """Receives events. An answer of 2xx says that the event need not be sent again."""

    def do_POST(self) -> None:
        """Print the event."""
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        print(event["event_type"], told(event["payload"]), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the standard library's own lines away."""


def told(payload: dict[str, Any]) -> str:
    """What an event says about the dialogue."""
    if data := payload.get("transcription_data"):
        return f"caller: {data['transcript']}"
    texts = [text for each in payload.get("fulfillment_messages", []) for text in each["text"]]
    details = [payload.get(name) for name in ("intent", "reason", "failure_reason")]
    # Google's name of an intent may be a path.
    return " ".join([*texts, *(f"({each.rpartition('/')[2]})" for each in details if each)])


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Webhook)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
