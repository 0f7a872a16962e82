"""Forks a live call to a WebSocket with Twilio's own SDK: the base URL is all that changes.

    pip install twilio
    eval "$(./callstream env)"
    python3 fork_twilio.py CALL_ID wss://127.0.0.1:8443/ [stop]

CALL_ID is what `./callstream call` prints first. Twilio takes `wss` only (`./callstream listen
--tls --port 8443`), and its stream is one-way. A third argument ends the stream.
"""

import os
import sys

from twilio.rest import Client  # type: ignore[import-untyped]

call_id, consumer_url, *stop = sys.argv[1:]
client = Client(
    os.environ["CALLSTREAM_TWILIO_ACCOUNT_SID"], os.environ["CALLSTREAM_TWILIO_AUTH_TOKEN"]
)
client.api.base_url = os.environ["CALLSTREAM_TWILIO_URL"]
stream = client.calls(call_id).streams.create(url=consumer_url, name="by-twilio")
print(stream.sid, stream.status)
if stop:
    print(stream.sid, stream.update(status="stopped").status)
