"""A web hook for Twilio and SignalWire: streams each call of a phone number to Callstream.

Needs Python 3.11 or later, and nothing else. docs/carriers.md explains the variables.
"""

import hmac
import json
import os
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl
from urllib.request import Request, urlopen
from xml.sax.saxutils import quoteattr


class WebHook(BaseHTTPRequestHandler):
    """Answers the question what to do with a call."""

    def do_POST(self) -> None:
        """Answer with a document that has a new media URL."""
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "TWILIO_AUTH_TOKEN" in os.environ and not self.is_from_twilio(form):
            self.send_error(403)
            return
        stream = f"<Stream url={quoteattr(media_url())}/>"
        document = f"<Response><Connect>{stream}</Connect></Response>"
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.end_headers()
        self.wfile.write(document.encode())

    def is_from_twilio(self, form: str) -> bool:
        """Whether the account's auth token has signed the public URL and the form."""
        fields = sorted(parse_qsl(form, keep_blank_values=True))
        signed = f"https://{self.headers['Host']}{self.path}" + "".join(map("".join, fields))
        digest = hmac.digest(os.environ["TWILIO_AUTH_TOKEN"].encode(), signed.encode(), "sha1")
        given = self.headers.get("X-Twilio-Signature", "")
        return hmac.compare_digest(b64encode(digest).decode(), given)


def media_url() -> str:
    """Ask Callstream for a media URL, which is valid for five minutes."""
    request = Request(os.environ["ASAPP_URL"] + "/mg-genagent/v1/twilio-media-stream-url")
    request.add_header("asapp-api-id", os.environ["ASAPP_API_ID"])
    request.add_header("asapp-api-secret", os.environ["ASAPP_API_SECRET"])
    with urlopen(request, timeout=10) as answer:
        url: str = json.load(answer)["streamingUrl"]
    return url


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), WebHook)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
