"""A tenant that, with its carrier and its servers, attacks the stack in many ways at once."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message
from itertools import count, cycle
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from callstream.adapters.aws.callback_queues import SqsCallbackQueue
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.callbacks.shares import Shares
from callstream.dialects import twilio
from callstream.dialects.events import Dtmf, Mark, Start
from callstream.relays.notifier import callback_of
from callstream.tenants.directory import Directory, Limits
from callstream.tenants.rate_limits import windows
from callstream.tenants.running_limits import Kind, RunningLimits, usage
from callstream_cli.local import aws
from tests.relays import make_relay
from tests.stack.conftest import PATIENCE, DeployedStack, eventually
from tests.stack.tenant_server import TenantServer
from tests.stack.tenants import Customer
from tests.stack.test_connect import BAD as BAD_TOKENS
from tests.stack.test_faults import BAD as BAD_MESSAGES

HOSTILE: Final = "\x1b]0;PWNED\x07\x1b[31mRED\x1b[2J\u202e\r\nFORGED"
"""Sets the title of a terminal, clears the screen, turns the text around, and forges a line."""

_CALLS: Final = ("abused:flooded", "abused:stalled", "abused:hundredth")
RUNNING: Final = RunningLimits(
    open_streams=len(_CALLS), active_relays_of_call=1, relays_of_call=100, callbacks_in_flight=1
)
REQUESTS: Final = Limits(per_second=None, per_day=1)
_REFUSED: Final = {401, 403, 429}
_LONGEST_MARK: Final = 125_000
# They would keep the emulator busy for 50 seconds.
_CALLBACKS: Final = 10
# A tenant has a window of one minute; the next one is prepared, too.
_WINDOW: Final = timedelta(minutes=1)

type Attack = Callable[[], object]
"""Attacks once, and returns the outcome."""


class Abuser:
    """Repeats all attacks, each in a thread of its own, until they are stopped.

    Args:
        stack: the stack under attack.
        victim_call: the id of another tenant's call.
        consumer_url: a consumer that accepts forks and reads nothing.

    Attributes:
        outcomes: how often an attack had which outcome, by the name of the attack.
    """

    def __init__(self, stack: DeployedStack, victim_call: str, consumer_url: str) -> None:
        self.outcomes: defaultdict[str, Counter[object]] = defaultdict(Counter)
        self._stack, self._victim_call, self._consumer_url = stack, victim_call, consumer_url
        self._customer = Customer("abuser")
        self._customer.create(stack)
        with aws.talking_to(stack.description["aws_endpoint_url"]):
            directory = Directory(DynamoTable(stack.outputs["DirectoryTableName"]))
            self._streams = DynamoTable(stack.outputs["StreamsTableName"])
            self._callbacks = SqsCallbackQueue(stack.outputs["CallbackQueueUrl"])
        limits = {"running": RUNNING, "limits": {"asapp": REQUESTS}}
        directory.change_tenant("abuser", lambda tenant: tenant.model_copy(update=limits))
        self._shares = Shares(self._streams)
        now = datetime.now(UTC)
        ring = stack.key_ring()
        self._many = ring.sign(tenant_id="abuser", route="genagent", use="many", now=now)
        # The victim's carrier has used this token.
        self._stolen = ring.sign(tenant_id="demo", route="genagent", use="once", now=now)
        # A token that is not yet valid becomes valid.
        bad = [make(ring) for name, make in BAD_TOKENS.items() if name != "not yet valid"]
        self._bad_tokens = cycle(bad)
        self._bad_messages = cycle([text for texts in BAD_MESSAGES.values() for text in texts])
        self._numbers = count(2)
        self._over = Event()
        self._calls: dict[str, ClientConnection] = {}
        self._slow_server: TenantServer

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Attack until the end of the context, from when each attack was made once."""
        with ExitStack() as ends:
            try:
                await asyncio.to_thread(self._begin, ends)
                yield
            finally:
                await asyncio.to_thread(ends.close)

    def _begin(self, ends: ExitStack) -> None:
        self._slow_server = TenantServer(self._never_answer)
        ends.callback(self._slow_server.stop)
        ends.callback(self._over.set)
        for call_id in _CALLS:
            self._calls[call_id] = ends.enter_context(self._connect(self._many))
            self._start(call_id)
        self._prepare()
        attacks = self._attacks()
        for name, (attack, pause) in attacks.items():
            thread = Thread(target=self._repeat, args=(name, attack, pause))
            thread.start()
            ends.callback(thread.join)
        ends.callback(self._over.set)
        eventually(lambda: len(self.outcomes) == len(attacks))

    def rounds(self) -> dict[str, int]:
        """How often each attack was made so far."""
        return {name: outcomes.total() for name, outcomes in self.outcomes.items()}

    def usage(self) -> tuple[int, int]:
        """How many of the tenant's streams and relays run, by the counts."""
        counts = usage(self._streams, "abuser")
        return counts[Kind.STREAMS], counts[Kind.RELAYS]

    def call(self, call_id: str) -> dict[str, Any]:
        """One of the tenant's calls; empty if there is no such call."""
        return self._streams.get({"pk": f"CALL#abuser#{call_id}", "sk": "CALL"}) or {}

    def _attacks(self) -> dict[str, tuple[Attack, float]]:
        """The attacks by name, with the pause after each, in seconds.

        The pauses leave the emulator, which is one process, time for the other tenant's call.
        """
        return {
            "unreadable messages": (self._send_unreadable, 0.2),
            "huge messages to a stalled consumer": (self._send_huge, 1.5),
            "hostile text": (self._send_hostile_text, 1.5),
            "forged tokens": (lambda: self._open(next(self._bad_tokens)), 1),
            "a stolen token once more": (lambda: self._open(self._stolen), 1.5),
            "streams beyond the limit": (lambda: self._open(self._many), 1.5),
            "requests beyond the limit": (self._ask_for_a_url, 1.5),
            "relays beyond the limit": (lambda: self._fork("abused:stalled"), 1.5),
            "the call's relay after the hundredth": (lambda: self._fork("abused:hundredth"), 1.5),
            "large parameters": (self._fork_with_large_parameters, 1.5),
            "a hostile token for consumers": (self._fork_with_hostile_token, 1.5),
            "another tenant's call": (lambda: self._fork(self._victim_call), 1.5),
            "a wrong key": (lambda: self._fork("abused:stalled", key="wrong"), 1.5),
            "callbacks to a slow server": (self._queue_callback, 5),
        }

    def _repeat(self, name: str, attack: Attack, pause: float) -> None:
        while not self._over.wait(pause):
            try:
                outcome = attack()
            except Exception as error:  # noqa: BLE001  # the test expects other outcomes
                outcome = repr(error)
            self.outcomes[name][outcome] += 1

    def _prepare(self) -> None:
        for call_id in _CALLS:
            eventually(lambda call_id=call_id: self.call(call_id))  # type: ignore[misc]
        assert self._fork("abused:stalled") == 200
        hundred = {":hundred": RUNNING.relays_of_call}
        self._streams.update(
            {
                "Key": {"pk": "CALL#abuser#abused:hundredth", "sk": "CALL"},
                "UpdateExpression": "SET relays_made = :hundred",
                "ExpressionAttributeValues": hundred,
            }
        )
        assert self._open(self._stolen) == 101
        assert self._ask_for_a_url() == 200
        # The attack may go on tomorrow.
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        for window in windows("asapp", "abuser", REQUESTS, tomorrow):
            self._streams.update(window.request)
        for _ in range(_CALLBACKS):
            self._queue_callback()

    def _connect(self, token: str) -> ClientConnection:
        url = self._stack.media_url(token)
        # On a busy machine the emulator answers late.
        return connect(
            url, proxy=None, compression=None, open_timeout=PATIENCE, ping_timeout=PATIENCE
        )

    def _open(self, token: str) -> int | str:
        try:
            with self._connect(token):
                return 101
        except InvalidStatus as refused:
            status = refused.response.status_code
            return "refused" if status in _REFUSED else status

    def _start(self, call_id: str) -> None:
        start = Start(1, "MZ1", call_id, HOSTILE, ("inbound",), PCMU_8K, {HOSTILE: HOSTILE})
        self._calls[call_id].send(twilio.render(start, "MZ1"))

    def _send_unreadable(self) -> None:
        self._calls["abused:flooded"].send(next(self._bad_messages))

    def _send_huge(self) -> None:
        socket = self._calls["abused:stalled"]
        for length in (_LONGEST_MARK, 60_000):
            mark = Mark(next(self._numbers), "m" * length)
            socket.send(twilio.render(mark, "MZ1"))
        for _ in range(5):
            socket.send(twilio.render(Dtmf(next(self._numbers), "inbound", "5"), "MZ1"))

    def _send_hostile_text(self) -> None:
        socket = self._calls["abused:hundredth"]
        socket.send(twilio.render(Mark(next(self._numbers), HOSTILE), "MZ1"))
        # A start whose identifiers are hostile is no start.
        start = Start(next(self._numbers), "MZ1", f"abused:{HOSTILE}", "AC", ("inbound",), PCMU_8K)
        socket.send(twilio.render(start, "MZ1"))

    def _ask_for_a_url(self) -> int:
        path = "/mg-genagent/v1/twilio-media-stream-url"
        return self._stack.asapp(path, self._customer.headers("asapp")).status

    def _fork(self, call_id: str, key: str | None = None, **fields: Any) -> int:
        path = f"/v2/calls/{quote(call_id, safe='')}/actions/streaming_start"
        headers = {"Authorization": f"Bearer {key or self._customer.key('telnyx')}"}
        headers["Content-Type"] = "application/json"
        # A command for what is there already would change nothing.
        url = f"{self._consumer_url}{next(self._numbers)}"
        body = json.dumps({"stream_url": url, **fields}).encode()
        return self._stack.request("telnyx", "POST", path, headers, body).status

    def _fork_with_large_parameters(self) -> int:
        parameters = [{"name": "p", "value": "x" * 70_000}]
        return self._fork("abused:flooded", custom_parameters=parameters)

    def _fork_with_hostile_token(self) -> int:
        token = "x\r\nX-Injected: yes"
        return self._fork("abused:flooded", stream_auth_token=token)

    def _queue_callback(self) -> None:
        # The emulator delivers one callback at a time. On AWS others of this tenant are with the
        # slow server meanwhile: their places are taken here.
        now = datetime.now(UTC)
        for at in (now, now + _WINDOW):
            while self._shares.begin("abuser", RUNNING.callbacks_in_flight, at):
                pass
        relay = make_relay(
            str(uuid4()),
            tenant_id="abuser",
            call_id="abused:flooded",
            surface="signalwire",
            track="both_tracks",
            status_callback=f"{self._slow_server.origin}/slow",
        )
        self._callbacks.send(callback_of(relay, None, "failed", HOSTILE, now))

    def _never_answer(self, _path: str, _headers: Message, _body: bytes) -> int:
        self._over.wait()
        return 500
