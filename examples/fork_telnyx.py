"""Forks a live call to a WebSocket with Telnyx's own SDK: the base URL is all that changes.

    pip install telnyx
    eval "$(./callstream env)"
    python3 fork_telnyx.py CALL_ID ws://127.0.0.1:8080/

CALL_ID is what `./callstream call` prints first. The consumer may answer; `examples/echo.py` does.
"""

import os
import sys

from telnyx import Telnyx

call_id, consumer_url = sys.argv[1:]
client = Telnyx(
    api_key=os.environ["CALLSTREAM_TELNYX_API_KEY"],
    base_url=os.environ["CALLSTREAM_TELNYX_URL"] + "/v2",
)
answer = client.calls.actions.start_streaming(
    call_id,
    stream_url=consumer_url,
    stream_track="inbound_track",
    # Telnyx's defaults are files of MP3 for the opposite leg: a bot wants raw audio for its caller.
    stream_bidirectional_mode="rtp",
    stream_bidirectional_codec="PCMU",
    stream_bidirectional_target_legs="self",
)
print(answer.data.result if answer.data else "")
