"""What tenants are told of their relays: words, signatures, answers, and when it is tried again."""

import importlib.util
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl
from uuid import UUID

import msgspec
import pytest
import telnyx
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.callbacks import keys, signalwire
from callstream.callbacks import telnyx as telnyx_callbacks
from callstream.callbacks.delivery import (
    Backoff,
    Delivered,
    Delivery,
    Dropped,
    Failed,
    HttpAnswer,
    NoAnswer,
    Outcome,
    judge,
)
from callstream.callbacks.model import (
    CallbackRequest,
    RelayCallback,
    decode,
    encode,
)
from callstream.callbacks.pending import PendingCallbacks
from callstream.callbacks.worker import CallbackWorker
from callstream.destinations import Destination
from callstream.errors import Unavailable
from callstream.ports import Item
from callstream.relays.notifier import callback_of
from callstream.tenants.directory import Directory, Tenant, Webhook
from callstream.wiring.settings import is_local
from callstream_cli.public_keys import ed25519_public_key
from tests.relays import make_relay
from tests.template import ROOT
from tests.unit.items import active_call

NOW = datetime(2026, 8, 21, 10, 15, 0, 123000, tzinfo=UTC)
MASTER = "master-of-the-tests"
PROJECT = "b08dacad-0000-4de1-93d6-cc732e0c0001"
HOOK = "https://app.example.com/webhooks"
FAILOVER = "https://b.example.com/webhooks"
STATUS = "https://app.example.com/status?tenant=1"
RELAY_ID = "7a2f7b1e-2f0e-4a0b-9a55-0d6bd1b2a001"

RELAY = make_relay(
    RELAY_ID, call_id="v3:example-call-control-id", url="wss://gw.example.com/telnyx"
)
CALL = active_call(
    RELAY.call_id,
    session_id="c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
    account_id="1234567890123456789",
    client_state="eyJjYXNlIjogNDJ9",
)


def telnyx_callback(event: Any = "started", reason: str | None = None) -> RelayCallback:
    return callback_of(RELAY, CALL, event, reason, NOW)


def signalwire_callback(
    event: Any = "started", reason: str | None = None, **fields: Any
) -> RelayCallback:
    fields = {"surface": "signalwire", "status_callback": STATUS, "name": "my-stream"} | fields
    return callback_of(RELAY.model_copy(update=fields), CALL, event, reason, NOW)


class TestCallback:
    def test_the_same_event_of_a_relay_has_the_same_id(self) -> None:
        started, again = telnyx_callback(), telnyx_callback()

        assert started.callback_id == again.callback_id != telnyx_callback("stopped").callback_id
        assert str(UUID(started.callback_id)) == started.callback_id

    def test_survives_the_queue(self) -> None:
        callback = signalwire_callback("failed", "refused")

        assert decode(encode(callback)) == callback

    def test_shows_no_address(self) -> None:
        assert "example.com" not in repr(signalwire_callback())

    def test_what_is_none_is_refused(self) -> None:
        with pytest.raises(msgspec.DecodeError):
            decode('{"callback_id": "1"}')


class TestTelnyx:
    def test_started_and_stopped_are_as_documented(self) -> None:
        for event in ("started", "stopped"):
            request = telnyx_callbacks.build(telnyx_callback(event), 1, HOOK)

            assert (request.method, request.url) == ("POST", HOOK)
            assert request.headers == {"content-type": "application/json"}
            assert json.loads(request.body) == {
                "data": {
                    "record_type": "event",
                    "event_type": f"streaming.{event}",
                    "id": telnyx_callback(event).callback_id,
                    "occurred_at": "2026-08-21T10:15:00.123000Z",
                    "payload": {
                        "call_control_id": "v3:example-call-control-id",
                        "call_leg_id": "v3:example-call-control-id",
                        "call_session_id": "c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
                        "client_state": "eyJjYXNlIjogNDJ9",
                        "connection_id": "1234567890123456789",
                        "stream_url": "wss://gw.example.com/telnyx",
                    },
                },
                "meta": {"attempt": 1, "delivered_to": HOOK},
            }

    def test_failed_is_as_documented(self) -> None:
        request = telnyx_callbacks.build(telnyx_callback("failed", "refused"), 3, FAILOVER)

        body = json.loads(request.body)
        assert body["meta"] == {"attempt": 3, "delivered_to": FAILOVER}
        assert body["data"]["event_type"] == "streaming.failed"
        assert body["data"]["payload"] == {
            "call_control_id": "v3:example-call-control-id",
            "call_leg_id": "v3:example-call-control-id",
            "call_session_id": "c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
            "client_state": "eyJjYXNlIjogNDJ9",
            "connection_id": "1234567890123456789",
            "failure_reason": "connection_failed",
            "stream_id": RELAY_ID,
            "stream_params": {
                "stream_url": "wss://gw.example.com/telnyx",
                "track": "inbound_track",
            },
            "stream_type": "websocket",
        }

    def test_without_a_session_and_without_a_url(self) -> None:
        relay = RELAY.model_copy(update={"sink": "dialogflow", "url": None})
        callback = callback_of(relay, None, "failed", "feed_lost", NOW)
        payload = json.loads(telnyx_callbacks.build(callback, 1, HOOK).body)["data"]["payload"]

        assert payload["call_session_id"] == payload["call_control_id"]
        assert payload["stream_type"] == "dialogflow"
        assert payload["failure_reason"] == "feed_lost"
        assert payload["client_state"] is None

    @pytest.mark.parametrize("event", ["started", "stopped", "failed"])
    def test_telnyx_sdk_accepts_it(self, event: str) -> None:
        request, client = self.signed(event)
        with time_machine.travel(NOW + timedelta(seconds=299), tick=False):
            unwrapped: Any = client.webhooks.unwrap(request.body.decode(), headers=request.headers)

        assert unwrapped.data.event_type == f"streaming.{event}"
        assert unwrapped.data.payload.call_control_id == RELAY.call_id

    def test_telnyx_sdk_refuses_what_was_changed(self) -> None:
        request, client = self.signed("started")
        body, headers = request.body.decode(), dict(request.headers)
        signature = bytearray(b64decode(headers["telnyx-signature-ed25519"]))
        signature[0] ^= 1
        seconds = headers["telnyx-timestamp"]
        changed: list[tuple[str, dict[str, str]]] = [
            (body.replace("started", "stopped"), headers),
            (body, headers | {"telnyx-timestamp": str(int(seconds) + 1)}),
            (body, headers | {"telnyx-signature-ed25519": b64encode(signature).decode()}),
        ]
        with time_machine.travel(NOW, tick=False):
            client.webhooks.unwrap(body, headers=headers)
            for text, with_headers in changed:
                with pytest.raises(ValueError, match="Signature verification failed"):
                    client.webhooks.unwrap(text, headers=with_headers)

    def signed(self, event: str) -> tuple[CallbackRequest, telnyx.Telnyx]:
        """A signed request, and a client that knows the tenant's public key as it is shown."""
        key = keys.telnyx_private_key(MASTER, "acme")
        request = telnyx_callbacks.build(telnyx_callback(event, None), 1, HOOK)
        client = telnyx.Telnyx(api_key="KEY", public_key=ed25519_public_key(key))
        return telnyx_callbacks.sign(request, key, NOW), client


def signalwire_validator(key: str) -> Any:
    """The validator of SignalWire's SDK, which builds upon Twilio's; from the SDK's environment."""
    [path] = ROOT.glob(".local/tools/signalwire-sdk/lib/*/site-packages/signalwire")
    source = Path(path) / "request_validator.py"
    spec = importlib.util.spec_from_file_location("signalwire_request_validator", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RequestValidator(key)


KEY = keys.signalwire_signing_key(MASTER, "acme")


class TestSignalwire:
    def test_the_parameters_are_as_documented(self) -> None:
        request = signalwire.build(signalwire_callback(), PROJECT, STATUS)

        assert (request.method, request.url) == ("POST", STATUS)
        assert request.headers == {"content-type": "application/x-www-form-urlencoded"}
        assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == {
            "AccountSid": PROJECT,
            "CallSid": "v3:example-call-control-id",
            "StreamEvent": "stream-started",
            "StreamName": "my-stream",
            "StreamSid": RELAY_ID,
            "StreamTrack": "inbound_track",
            "Timestamp": "2026-08-21T10:15:00.123Z",
            "Unique-ID": "v3:example-call-control-id",
        }

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("invalid_url", "invalid_url"),
            ("refused", "connection_refused"),
            ("timeout", "connection_refused_timeout_or_ssl_error"),
            ("tls", "connection_refused_timeout_or_ssl_error"),
            ("unknown_host", "connection_refused_timeout_or_ssl_error"),
            ("feed_lost", "general_error"),
            (None, "general_error"),
        ],
    )
    def test_an_error(self, reason: str | None, told: str) -> None:
        callback = signalwire_callback("failed", reason, name=None)
        request = signalwire.build(callback, PROJECT, STATUS)

        form = parse_qs(request.body.decode())
        assert form["StreamEvent"] == ["stream-error"]
        assert form["StreamError"] == [told]
        # The vendor's default.
        assert form["StreamName"] == [RELAY_ID]

    @pytest.mark.parametrize(
        ("url", "start"),
        [
            ("https://a.example/cb", "https://a.example/cb?AccountSid="),
            ("https://a.example/cb?", "https://a.example/cb?AccountSid="),
            ("https://a.example/cb?x=1", "https://a.example/cb?x=1&AccountSid="),
            ("https://a.example/cb?x=1#part", "https://a.example/cb?x=1&AccountSid="),
        ],
    )
    def test_with_get_they_are_in_the_query(self, url: str, start: str) -> None:
        callback = signalwire_callback("stopped", status_callback_method="GET")
        request = signalwire.build(callback, PROJECT, url)

        assert (request.method, request.body) == ("GET", b"")
        assert request.url.startswith(start)
        assert "&StreamEvent=stream-stopped&" in request.url
        assert "#" not in request.url

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("event", ["started", "failed"])
    def test_the_sdks_of_signalwire_and_twilio_accept_it(self, method: str, event: str) -> None:
        callback = signalwire_callback(event, status_callback_method=method, name="naïve & 100 %")
        request = signalwire.build(callback, PROJECT, STATUS)
        request = signalwire.sign(request, KEY)
        form = dict(parse_qsl(request.body.decode()))
        signature = request.headers["x-signalwire-signature"]

        assert signature == request.headers["x-twilio-signature"]
        for validator in (signalwire_validator(KEY), RequestValidator(KEY)):
            assert validator.validate(request.url, form, signature)
            assert not validator.validate(request.url, form | {"StreamEvent": "other"}, signature)
            assert not validator.validate(request.url + "x", form, signature)
        assert not signalwire_validator(KEY + "x").validate(request.url, form, signature)

    def test_a_signature_that_signalwire_made(self) -> None:
        """From the tests of SignalWire's SDK, "from_signalwire_https_request"."""
        body = (
            "CallSid=a97d4e8a-6047-4e2b-be48-fb96b33b5642"
            "&AccountSid=6bfbbe86-a901-4197-8759-2a0de1fa319d&ApiVersion=2010-04-01"
            "&Direction=outbound-api&From=sip%3A%2B17063958228%40sip.swire.io"
            "&To=sip%3Ajpsantos%40joaosantos-2a0de1fa319d.sip.swire.io"
            "&Timestamp=Thu%2C+09+Nov+2023+14%3A40%3A55+%2B0000&CallStatus=no-answer"
            "&CallbackSource=call-progress-events&HangupDirection=outbound"
            "&HangupBy=sip%3A%2B17063958228%40sip.swire.io&SipResultCode=487"
        )
        url = "https://675d-189-71-169-171.ngrok-free.app/voice"
        request = CallbackRequest(method="POST", url=url, body=body.encode())
        signed = signalwire.sign(request, "PSK_V3bF8oyeRNpJWGoRWHNYQMUU")

        assert signed.headers["x-signalwire-signature"] == "muUMpldcBHlzuXGZ5gbw1ETZCYA="


ANSWERS = {
    200: "taken",
    202: "taken",
    204: "taken",
    299: "taken",
    301: "for good",
    302: "for good",
    304: "for good",
    307: "for good",
    400: "for good",
    401: "for good",
    403: "for good",
    404: "for good",
    405: "for good",
    408: "for now",
    409: "for good",
    410: "for good",
    413: "for good",
    422: "for good",
    425: "for now",
    429: "for now",
    499: "for good",
    500: "for now",
    502: "for now",
    503: "for now",
    504: "for now",
    599: "for now",
    # Nothing that HTTP has.
    199: "for good",
    600: "for good",
    999: "for good",
}


class TestAnswers:
    @pytest.mark.parametrize(("status", "meaning"), ANSWERS.items())
    def test_what_a_status_means(self, status: int, meaning: str) -> None:
        match judge(HttpAnswer(status), NOW):
            case Delivered():
                assert meaning == "taken"
            case Failed(is_permanent=is_permanent):
                assert meaning == ("for good" if is_permanent else "for now")

    @pytest.mark.parametrize(
        ("retry_after", "seconds"),
        [
            ("0", 0),
            ("120", 120),
            ("99999999999999999999", 1e20),
            ("Fri, 21 Aug 2026 10:16:00 GMT", 59.877),
            ("Fri, 21 Aug 2020 10:16:00 GMT", 0),
            ("soon", None),
            ("-5", None),
            ("Fri, 99 Aug 2026 10:16:00 GMT", None),
            ("", None),
            (None, None),
        ],
    )
    def test_retry_after(self, retry_after: str | None, seconds: float | None) -> None:
        outcome = judge(HttpAnswer(503, retry_after), NOW)

        assert isinstance(outcome, Failed)
        assert outcome.again_after == (None if seconds is None else pytest.approx(seconds))

    def test_a_redirect_is_named(self) -> None:
        assert judge(HttpAnswer(302), NOW) == Failed("redirect_302", is_permanent=True)

    def test_who_refuses_for_good_cannot_have_us_wait(self) -> None:
        assert judge(HttpAnswer(400, "60"), NOW) == Failed("status_400", is_permanent=True)


class TestBackoff:
    def test_bounds_double_up_to_the_longest(self) -> None:
        bounds = [Backoff().delay(attempt, 0, lambda: 1.0) for attempt in range(1, 14)]

        assert bounds == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]

    def test_the_whole_of_it_is_left_to_chance(self) -> None:
        delays = [Backoff().delay(5, 0, lambda part=part: part) for part in (0.0, 0.25, 0.5, 1.0)]  # type: ignore[misc]

        assert delays == [1, 20, 40, 80]

    def test_it_is_given_up_after_half_a_day_and_some_thirty_tries(self) -> None:
        waited, attempt = 0.0, 1
        while (delay := Backoff().delay(attempt, waited, lambda: 0.5)) is not None:
            waited += delay
            attempt += 1

        assert 11.5 * 3600 < waited <= 12 * 3600
        assert 25 < attempt < 40

    def test_whoever_asks_to_wait_is_heard_within_bounds(self) -> None:
        def after(seconds: float) -> int | None:
            return Backoff().delay(1, 0, lambda: 0.5, seconds)

        assert (after(0), after(100), after(1e20)) == (2, 100, 3600)

    @given(
        st.integers(1, 10_000), st.floats(0, 50_000), st.floats(0, 1), st.none() | st.floats(0, 1e9)
    )
    def test_sqs_can_always_do_it(
        self, attempt: int, waited: float, part: float, after: float | None
    ) -> None:
        delay = Backoff().delay(attempt, waited, lambda: part, after)

        assert delay is None or 1 <= delay <= 12 * 3600


class Memory:
    """A table."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.is_down = False

    def get(self, key: Item) -> Item | None:
        if self.is_down:
            raise Unavailable("dynamodb", "Down")
        return self.items.get((key["pk"], key["sk"]))

    def put(self, item: Item) -> None:
        if self.is_down:
            raise Unavailable("dynamodb", "Down")
        self.items[item["pk"], item["sk"]] = item

    def delete(self, key: Item) -> None:
        self.items.pop((key["pk"], key["sk"]), None)

    def query(self, partition: str, prefix: str) -> list[Item]:
        assert prefix  # DynamoDB takes no empty one
        found = self.items.items()
        return [item for (pk, sk), item in found if pk == partition and sk.startswith(prefix)]


class Servers:
    """The tenants' servers: what each URL answers."""

    def __init__(self) -> None:
        self.answers: dict[str, HttpAnswer | str] = {}
        self.got: list[tuple[CallbackRequest, Destination]] = []

    def send(self, request: CallbackRequest, destination: Destination) -> HttpAnswer:
        self.got.append((request, destination))
        answer = self.answers.get(request.url, HttpAnswer(200))
        if isinstance(answer, str):
            raise NoAnswer(answer)
        return answer

    @property
    def urls(self) -> list[str]:
        return [request.url for request, _ in self.got]


NAMES = {
    "app.example.com": ["203.0.114.7"],
    "b.example.com": ["203.0.114.8"],
    "inside.example": ["10.0.0.1"],
    "rebound.example": ["203.0.114.7", "169.254.169.254"],
    "127.0.0.1": ["127.0.0.1"],
}


def resolve(host: str, _port: int) -> Sequence[str]:
    return NAMES.get(host, [])


class Office:
    """A deployment's part that delivers callbacks."""

    def __init__(self, *, local: bool = False) -> None:
        self.tenants, self.states = Memory(), Memory()
        self.directory = Directory(self.tenants)  # type: ignore[arg-type]
        self.servers = Servers()
        self.put_offs: list[tuple[str, int]] = []
        self.buried: list[tuple[str, int, str, str]] = []
        self.delivery = Delivery(self.directory, lambda: MASTER, self.servers, resolve, local=local)
        self.retries = PendingCallbacks(self.states)  # type: ignore[arg-type]
        self.now = NOW
        self.worker = CallbackWorker(
            delivery=self.delivery,
            queue=self,
            dead=self,
            pending=self.retries,
            backoff=Backoff(),
            now=lambda: self.now,
            random=lambda: 1.0,
        )
        self.have(Webhook(url=HOOK, failover_url=FAILOVER))

    def have(self, webhook: Webhook | None) -> None:
        webhooks: Mapping[Any, Webhook] = {} if webhook is None else {"telnyx": webhook}
        self.directory.save(
            Tenant(
                tenant_id="acme",
                name="Acme",
                project_id=UUID(PROJECT),
                callback_key_id="acme",
                webhooks=dict(webhooks),
            )
        )

    def put_off(self, receipt_handle: str, seconds: int) -> None:
        self.put_offs.append((receipt_handle, seconds))

    def bury(self, callback: RelayCallback, attempts: int, reason: str, message_id: str) -> None:
        self.buried.append((callback.callback_id, attempts, reason, message_id))

    def deliver(self, callback: RelayCallback) -> Outcome:
        return self.delivery.deliver(callback, 1, lambda: NOW)

    def take(self, callback: RelayCallback, attempt: int = 1, waited: float = 0) -> bool:
        queued_at = self.now - timedelta(seconds=waited)
        return self.worker.take(
            {
                "messageId": "message-1",
                "receiptHandle": "handle-1",
                "body": encode(callback),
                "attributes": {
                    "ApproximateReceiveCount": str(attempt),
                    "SentTimestamp": str(int(queued_at.timestamp() * 1000)),
                },
            }
        )


class TestDelivery:
    def test_telnyx_callbacks_go_to_the_tenants_webhook(self) -> None:
        office = Office()

        assert office.deliver(telnyx_callback()) == Delivered(200)
        [(request, destination)] = office.servers.got
        assert request.url == HOOK
        assert destination == Destination("app.example.com", 443, ("203.0.114.7",), tls=True)
        assert {"telnyx-signature-ed25519", "telnyx-timestamp"} < request.headers.keys()

    def test_signalwire_callbacks_go_where_the_relay_says(self) -> None:
        office = Office()

        assert office.deliver(signalwire_callback()) == Delivered(200)
        [(request, _)] = office.servers.got
        assert request.url == STATUS
        assert parse_qs(request.body.decode())["AccountSid"] == [PROJECT]
        signature = request.headers["x-signalwire-signature"]
        form = dict(parse_qsl(request.body.decode()))
        assert RequestValidator(KEY).validate(STATUS, form, signature)

    def test_nothing_is_sent_where_nobody_wants_it(self) -> None:
        office = Office()
        assert office.deliver(signalwire_callback(status_callback=None)) == Dropped("no_url")
        other = msgspec.structs.replace(telnyx_callback(), surface="asapp")
        assert office.deliver(other) == Dropped("no_url")
        stranger = msgspec.structs.replace(telnyx_callback(), tenant_id="nobody")
        assert office.deliver(stranger) == Dropped("no_tenant")
        office.have(None)
        assert office.deliver(telnyx_callback()) == Dropped("no_url")
        assert not office.servers.got

    @pytest.mark.parametrize("answer", [HttpAnswer(500), HttpAnswer(429), "timeout", "tls"])
    def test_the_failover_is_for_who_cannot_be_reached(self, answer: HttpAnswer | str) -> None:
        office = Office()
        office.servers.answers[HOOK] = answer

        assert office.deliver(telnyx_callback()) == Delivered(200)
        assert office.servers.urls == [HOOK, FAILOVER]
        metas = [json.loads(request.body)["meta"] for request, _ in office.servers.got]
        assert [meta["delivered_to"] for meta in metas] == [HOOK, FAILOVER]

    def test_the_failover_is_not_for_who_refuses(self) -> None:
        office = Office()
        office.servers.answers[HOOK] = HttpAnswer(410)

        assert office.deliver(telnyx_callback()) == Failed("status_410", is_permanent=True)
        assert office.servers.urls == [HOOK]

    def test_a_failover_that_refuses_does_not_end_it(self) -> None:
        office = Office()
        office.servers.answers |= {HOOK: HttpAnswer(503, "60"), FAILOVER: HttpAnswer(404)}

        outcome = office.deliver(telnyx_callback())
        assert outcome == Failed("status_503", is_permanent=False, again_after=60)

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("http://inside.example/", "forbidden_address"),
            ("http://rebound.example/", "forbidden_address"),
            ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "forbidden_address"),
            ("ftp://app.example.com/", "forbidden_scheme"),
            ("https://user:word@app.example.com/", "forbidden_credentials"),
            ("https://app.example.com:25/", "forbidden_port"),
            ("https:///path", "forbidden_not_a_url"),
            ("https://app.example.com/\u00e9", "forbidden_not_a_url"),
        ],
    )
    def test_what_may_not_be_dialled_is_not(self, url: str, reason: str) -> None:
        office = Office()

        outcome = office.deliver(signalwire_callback(status_callback=url))
        assert outcome == Failed(reason, is_permanent=True)
        assert not office.servers.got

    def test_a_name_may_get_an_address_later(self) -> None:
        callback = signalwire_callback(status_callback="https://none.example/")
        assert Office().deliver(callback) == Failed("unknown_host", is_permanent=False)

    def test_the_local_stack_reaches_this_machine_alone(self) -> None:
        office = Office(local=True)
        for url, outcome in (
            ("http://127.0.0.1:8080/", Delivered(200)),
            ("http://inside.example/", Failed("forbidden_address", is_permanent=True)),
        ):
            assert office.deliver(signalwire_callback(status_callback=url)) == outcome

    def test_local_is_refused_where_there_is_no_local_stack(self) -> None:
        endpoint = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}

        assert is_local({"CALLSTREAM_LOCAL": "true"} | endpoint)
        assert not is_local({"CALLSTREAM_LOCAL": "false"} | endpoint)
        assert not is_local({})
        with pytest.raises(msgspec.ValidationError):
            is_local({"CALLSTREAM_LOCAL": "true"})


class TestWorker:
    def test_what_was_taken_is_done_with(self) -> None:
        office = Office()

        assert office.take(telnyx_callback())
        assert (office.put_offs, office.buried, office.states.items) == ([], [], {})

    def test_the_attempt_is_counted(self) -> None:
        office = Office()
        office.take(telnyx_callback(), attempt=4)

        [(request, _)] = office.servers.got
        assert json.loads(request.body)["meta"]["attempt"] == 4

    def test_what_was_not_taken_is_put_off_and_noted(self) -> None:
        office = Office()
        office.servers.answers |= {HOOK: "timeout", FAILOVER: "connection"}

        assert not office.take(telnyx_callback(), attempt=3)
        assert office.put_offs == [("handle-1", 20)]
        [retry] = office.retries.all()
        assert (retry.attempts, retry.reason, retry.relay_id) == (3, "timeout", RELAY_ID)
        assert retry.again_at == int((NOW + timedelta(seconds=20)).timestamp() * 1000)
        assert "example.com" not in repr(office.states.items)

        office.servers.answers.clear()
        assert office.take(telnyx_callback(), attempt=4)
        assert office.retries.all() == []
        assert office.buried == []

    def test_what_was_refused_is_given_up_at_once(self) -> None:
        office = Office()
        office.servers.answers[HOOK] = HttpAnswer(400)

        assert office.take(telnyx_callback())
        callback_id = telnyx_callback().callback_id
        assert office.buried == [(callback_id, 1, "status_400", "message-1")]
        assert office.put_offs == []

    def test_what_has_waited_for_half_a_day_is_given_up(self) -> None:
        office = Office()
        office.servers.answers |= {HOOK: HttpAnswer(500), FAILOVER: HttpAnswer(500)}

        assert not office.take(telnyx_callback(), attempt=30, waited=11 * 3600)
        assert len(office.retries.all()) == 1
        assert office.take(telnyx_callback(), attempt=31, waited=11.9 * 3600)
        assert [reason for _, _, reason, _ in office.buried] == ["status_500"]
        assert office.retries.all() == []

    def test_an_outage_of_ours_is_waited_for(self) -> None:
        office = Office()
        office.tenants.is_down = office.states.is_down = True

        assert not office.take(telnyx_callback())
        assert office.put_offs == [("handle-1", 5)]

    def test_logs_hold_no_address(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        office = Office()
        for answer in (HttpAnswer(200), HttpAnswer(400), HttpAnswer(500), "tls"):
            office.servers.answers = dict.fromkeys((HOOK, FAILOVER, STATUS), answer)
            office.take(telnyx_callback())
            office.take(signalwire_callback())

        assert len(caplog.records) >= 8
        for record in caplog.records:
            assert "example.com" not in repr(vars(record))
