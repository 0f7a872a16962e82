"""Limits on what runs, with one tenant that comes to them."""

import json
from contextlib import ExitStack

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.dialects import twilio
from callstream.dialects.events import Start
from callstream.tenants.directory import Directory
from callstream.tenants.running_limits import Kind, RunningLimits, usage
from callstream_cli.local import aws
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.tenants import Customer

CALL = "call-that-comes-to-its-limits"
LIMITS = RunningLimits(open_streams=2, active_relays=1)
# No run of such a relay waits for anything.
URL = "wss://consumer.invalid/"


class Limited:
    """A tenant with low limits."""

    def __init__(self, stack: DeployedStack) -> None:
        self._stack, self._customer = stack, Customer("limited")
        self._customer.create(stack)
        with aws.talking_to(stack.description["aws_endpoint_url"]):
            directory = Directory(DynamoTable(stack.outputs["DirectoryTableName"]))
            directory.change_tenant(
                "limited", lambda tenant: tenant.model_copy(update={"running": LIMITS})
            )
            self._streams = DynamoTable(stack.outputs["StreamsTableName"])
        path = "/mg-genagent/v1/twilio-media-stream-url"
        answer = stack.asapp(path, self._customer.headers("asapp"))
        self._url = str(answer.body["streamingUrl"])

    def connect(self) -> ClientConnection:
        return connect(self._url, proxy=None, compression=None)

    def start_streaming(self) -> int:
        headers = self._customer.headers("telnyx") | {"Content-Type": "application/json"}
        path = f"/v2/calls/{CALL}/actions/streaming_start"
        body = json.dumps({"stream_url": URL, "client_state": "QQ=="}).encode()
        answer = self._stack.request("telnyx", "POST", path, headers, body)
        if answer.status == 429:
            assert answer.body["errors"][0]["code"] == "10011"
        return answer.status

    def usage(self) -> tuple[int, int]:
        counts = usage(self._streams, "limited")
        return counts[Kind.STREAMS], counts[Kind.RELAYS]

    def has_call(self) -> bool:
        key = {"pk": f"CALL#limited#{CALL}", "sk": "CALL"}
        return self._streams.get(key) is not None


def test_tenant_comes_to_its_limits_and_gets_its_places_back(stack: DeployedStack) -> None:
    limited = Limited(stack)
    with ExitStack() as opened:
        sockets = [opened.enter_context(limited.connect()) for _ in range(2)]
        with pytest.raises(InvalidStatus) as refused:
            limited.connect()
        assert refused.value.response.status_code in {403, 429}
        start = Start(1, "MZ1", CALL, "AC1", ("inbound",), PCMU_8K)
        sockets[0].send(twilio.render(start, "MZ1"))
        eventually(limited.has_call)

        assert limited.start_streaming() == 200
        # The consumer is not there: the relay fails, and gives its place back.
        eventually(lambda: limited.usage() == (2, 0))
        assert limited.start_streaming() == 200
    eventually(lambda: limited.usage() == (0, 0))
