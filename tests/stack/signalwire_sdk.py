"""Drives SignalWire's SDK for test_signalwire.py, in the SDK's own environment.

Takes the API's base URL, a project and a token as arguments, then commands as lines of JSON,
`[path, data]`, and answers each with a line: what the SDK gave back, or its exception.
"""

import json
import sys

from signalwire.rest import Client  # type: ignore[import-not-found]
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]

base_url, project, token = sys.argv[1:]
client = Client(project, token, signalwire_space_url=base_url)
# The SDK makes every URL https, which the emulator does not serve.
client.api.base_url = base_url

for line in sys.stdin:
    path, data = json.loads(line)
    try:
        # The SDK has no class for a call's streams; its other classes send requests in this way.
        answer = client.api.v2010.create("POST", f"/Accounts/{project}{path}", data=data)
    except TwilioRestException as error:
        answer = {"exception": {"status": error.status, "code": error.code, "msg": error.msg}}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
