"""Forks a live call to a WebSocket with SignalWire's own SDK: the base URL is all that changes.

    pip install signalwire==2.1.1
    eval "$(./callstream env)"
    python3 fork_signalwire.py CALL_ID wss://127.0.0.1:8443/ [stop]

CALL_ID is what `./callstream call` prints first. SignalWire takes `wss` only (`./callstream listen
--tls --port 8443`). The consumer may answer. A third argument ends the stream.
"""

import os
import sys

from signalwire.rest import Client  # type: ignore[import-not-found]

call_id, consumer_url, *stop = sys.argv[1:]
base_url = os.environ["CALLSTREAM_SIGNALWIRE_URL"]
project = os.environ["CALLSTREAM_SIGNALWIRE_PROJECT_ID"]
token = os.environ["CALLSTREAM_SIGNALWIRE_API_TOKEN"]
client = Client(project, token, signalwire_space_url=base_url)
# The SDK makes every URL https, which the local stack does not serve.
client.api.base_url = base_url

# The SDK has no class for a call's streams; its other classes send requests in this way.
path = f"/Accounts/{project}/Calls/{call_id}/Streams"
form = {"Url": consumer_url, "Track": "inbound_track", "Name": "by-signalwire"}
stream = client.api.v2010.create("POST", path, data=form)
print(stream["sid"], stream["status"])
if stop:
    ended = client.api.v2010.create("POST", f"{path}/{stream['sid']}", data={"Status": "stopped"})
    print(ended["sid"], ended["status"])
