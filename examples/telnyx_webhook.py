"""A web hook for Telnyx: answers each incoming call, and streams the call to Callstream.

Needs Python 3.11 or later, and nothing else. docs/carriers.md explains the variables.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote
from urllib.request import Request, urlopen

TELNYX = os.environ.get("TELNYX_API_URL", "https://api.telnyx.com/v2")


class WebHook(BaseHTTPRequestHandler):
    """Receives the events of calls."""

    def do_POST(self) -> None:
        """Answer the call, if the event is a new one."""
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        call = event["payload"]
        if event["event_type"] == "call.initiated" and call["direction"] == "incoming":
            answer(call["call_control_id"], media_url())
        self.send_response(200)
        self.end_headers()


def answer(call_control_id: str, url: str) -> None:
    """Have Telnyx answer the call and open the stream; what a bot says goes to the caller."""
    command = {
        "stream_url": url,
        "stream_track": "both_tracks",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_target_legs": "self",
        "command_id": "answer",  # Telnyx may send an event twice.
    }
    # Whatever the id is, it stays one part of the path: the request has your key.
    path = f"/calls/{quote(call_control_id, safe=':')}/actions/answer"
    request = Request(TELNYX + path, json.dumps(command).encode())
    request.add_header("Authorization", f"Bearer {os.environ['TELNYX_API_KEY']}")
    request.add_header("Content-Type", "application/json")
    urlopen(request, timeout=10).close()


def media_url() -> str:
    """Ask Callstream for a media URL, which is valid for five minutes."""
    request = Request(os.environ["ASAPP_URL"] + "/mg-genagent/v1/twilio-media-stream-url")
    request.add_header("asapp-api-id", os.environ["ASAPP_API_ID"])
    request.add_header("asapp-api-secret", os.environ["ASAPP_API_SECRET"])
    with urlopen(request, timeout=10) as reply:
        url: str = json.load(reply)["streamingUrl"]
    return url


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), WebHook)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
