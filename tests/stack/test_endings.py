"""Every kind of ending ends a fork once, and notifies its tenant once."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.tenants.directory import Directory, Webhook
from callstream_cli.listener.behaviour import DROPPED
from callstream_cli.listener.fork import Fork
from callstream_cli.listener.server import Listener
from callstream_cli.local import aws
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.live import LiveCall, heard, play
from tests.stack.tenant_server import TenantServer
from tests.stack.tenants import Customer

CALL = "CA-ends"


class Webhooks(TenantServer):
    """What a tenant was told, by who was told of, in that order."""

    def __init__(self) -> None:
        self.told: defaultdict[str, list[str]] = defaultdict(list)
        super().__init__(self._take)

    def _take(self, path: str, _headers: Message, body: bytes) -> int:
        if path == "/telnyx":
            data = json.loads(body)["data"]
            self.told[data["payload"]["stream_url"]].append(data["event_type"])
        else:
            form = dict(parse_qsl(body.decode()))
            self.told[form["StreamName"]].append(form["StreamEvent"])
        return 204


@pytest.fixture
def webhooks() -> Iterator[Webhooks]:
    webhooks = Webhooks()
    yield webhooks
    webhooks.stop()


class Commands:
    """A tenant of this test's own, and its commands."""

    def __init__(self, stack: DeployedStack, webhooks: Webhooks, call_id: str = CALL) -> None:
        self._call_id = call_id
        self.customer = Customer("endings")
        self.customer.create(stack)
        self._stack, self._webhooks = stack, webhooks
        self._change(webhooks={"telnyx": Webhook(url=f"{webhooks.origin}/telnyx")})

    def disable(self) -> None:
        self._change(enabled=False)

    def media_url(self) -> str:
        path = "/mg-genagent/v1/twilio-media-stream-url"
        answer = self._stack.asapp(path, self.customer.headers("asapp"))
        return str(answer.body["streamingUrl"])

    def telnyx(self, action: str, **body: str) -> None:
        headers = self.customer.headers("telnyx") | {"Content-Type": "application/json"}
        path = f"/v2/calls/{self._call_id}/actions/{action}"
        answer = self._stack.request("telnyx", "POST", path, headers, json.dumps(body).encode())
        assert answer.status == 200, answer.body

    def create(self, name: str, url: str) -> str:
        callback = f"{self._webhooks.origin}/signalwire"
        return str(self._signalwire("", Url=url, Name=name, StatusCallback=callback)["sid"])

    def stop(self, sid_or_name: str) -> None:
        assert self._signalwire(f"/{sid_or_name}", Status="stopped")["status"] == "stopped"

    def _signalwire(self, stream: str, **fields: str) -> dict[str, Any]:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = self.customer.headers("signalwire") | form
        account = f"/api/laml/2010-04-01/Accounts/{self.customer.project}"
        path = f"{account}/Calls/{self._call_id}/Streams{stream}"
        answer = self._stack.request(
            "signalwire", "POST", path, headers, urlencode(fields).encode()
        )
        assert answer.status == 200, answer.body
        body: dict[str, Any] = answer.body
        return body

    def _change(self, **fields: Any) -> None:
        with aws.talking_to(self._stack.description["aws_endpoint_url"]):
            directory = Directory(DynamoTable(self._stack.outputs["DirectoryTableName"]))
            tenant = directory.tenant(self.customer.name)
            assert tenant is not None
            directory.save(tenant.model_copy(update=fields))


def test_each_ending_is_notified_once(stack: DeployedStack, webhooks: Webhooks) -> None:
    commands = Commands(stack, webhooks)
    call = LiveCall(stack, CALL, tenant=commands.customer.name, url=commands.media_url())

    async def act() -> None:
        async with Listener(tls=True) as listener, call.going_on():
            number = 0

            async def joined() -> Fork:
                nonlocal number
                fork = await listener.fork(number)
                number += 1
                await heard(fork, 1)
                return fork

            sid = await asyncio.to_thread(commands.create, "by-sid", listener.url)
            by_sid = await joined()
            await asyncio.to_thread(commands.create, "by-name", listener.url)
            by_name = await joined()
            await asyncio.to_thread(commands.create, "by-consumer", listener.url)
            by_consumer = await joined()
            await asyncio.to_thread(commands.create, "by-accident", listener.url)
            by_accident = await joined()
            await asyncio.to_thread(commands.telnyx, "streaming_start", stream_url=listener.url)
            by_command = await joined()
            await asyncio.to_thread(commands.create, "by-tenant", listener.url)
            by_tenant = await joined()

            await asyncio.to_thread(commands.stop, sid)
            await asyncio.to_thread(commands.stop, "by-name")
            await asyncio.to_thread(commands.telnyx, "streaming_stop")
            await by_consumer.close(1000)
            await by_accident.close(DROPPED)
            for fork in (by_sid, by_name, by_command, by_consumer, by_accident):
                await fork.until_ended()
            await call.frames(10)
            assert not by_tenant.ended
            await asyncio.to_thread(commands.disable)
            await by_tenant.until_ended()
            for fork in (by_sid, by_name, by_command, by_tenant):
                assert fork.state.stop is not None
                assert fork.state.faults == {}

        stopped = ["stream-started", "stream-stopped"]
        expected = {
            **dict.fromkeys(("by-sid", "by-name", "by-consumer", "by-tenant"), stopped),
            "by-accident": ["stream-started", "stream-error"],
            listener.url: ["streaming.started", "streaming.stopped"],
        }
        await asyncio.to_thread(
            eventually, lambda: all(webhooks.told[who] == told for who, told in expected.items())
        )
        assert dict(webhooks.told) == expected

    play(act)


def test_stop_ends_the_call_although_the_carrier_leaves_its_connection_open(
    stack: DeployedStack, webhooks: Webhooks
) -> None:
    commands = Commands(stack, webhooks, "CA-stops")
    call = LiveCall(stack, "CA-stops", tenant=commands.customer.name, url=commands.media_url())

    async def act() -> None:
        async with Listener(tls=True) as listener, call.going_on():
            await asyncio.to_thread(commands.create, "stopped", listener.url)
            fork = await listener.fork(0)
            await heard(fork, 1)

            await call.stop()
            assert call.socket is not None
            await call.socket.wait_closed()
            await fork.until_ended()

            assert fork.state.stop is not None
        await asyncio.to_thread(eventually, lambda: len(webhooks.told["stopped"]) == 2)
        assert webhooks.told["stopped"] == ["stream-started", "stream-stopped"]

    play(act)
