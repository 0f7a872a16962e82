"""Where callbacks go, what the answers mean, and when to try again."""

import json
import math
from urllib.parse import parse_qs, parse_qsl

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.callbacks import signalwire
from callstream.callbacks.delivery import (
    Backoff,
    Delivered,
    Dropped,
    Failed,
    HttpAnswer,
    judge,
)
from callstream.destinations import Destination
from callstream.tenants.directory import Webhook
from tests.unit.callbacks.scenes import (
    FAILOVER,
    HOOK,
    MASTER,
    NOW,
    PROJECT,
    STATUS,
    Scene,
    signalwire_callback,
    telnyx_callback,
)

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
    def test_status_means_success_a_retry_or_failure(self, status: int, meaning: str) -> None:
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
            ("9" * 400, math.inf),
            ("Fri, 21 Aug 2026 10:16:00 GMT", 59.877),
            ("Fri, 21 Aug 2020 10:16:00 GMT", 0),
            ("soon", None),
            ("-5", None),
            ("Fri, 99 Aug 2026 10:16:00 GMT", None),
            ("", None),
            (None, None),
        ],
    )
    def test_retry_after_is_seconds_or_a_date(
        self, retry_after: str | None, seconds: float | None
    ) -> None:
        outcome = judge(HttpAnswer(503, retry_after), NOW)

        assert isinstance(outcome, Failed)
        assert outcome.retry_after == (None if seconds is None else pytest.approx(seconds))

    def test_redirect_fails_with_its_status(self) -> None:
        assert judge(HttpAnswer(302), NOW) == Failed("redirect_302", is_permanent=True)

    def test_retry_after_of_a_permanent_failure_is_ignored(self) -> None:
        assert judge(HttpAnswer(400, "60"), NOW) == Failed("status_400", is_permanent=True)


class TestBackoff:
    def test_backoff_bounds_double_up_to_the_longest(self) -> None:
        bounds = [Backoff().delay(attempt, 0, lambda: 1.0) for attempt in range(1, 14)]

        assert bounds == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]

    def test_backoff_uses_full_jitter(self) -> None:
        delays = [Backoff().delay(5, 0, lambda part=part: part) for part in (0.0, 0.25, 0.5, 1.0)]  # type: ignore[misc]

        assert delays == [1, 20, 40, 80]

    def test_backoff_gives_up_after_half_a_day_and_some_thirty_attempts(self) -> None:
        waited, attempt = 0.0, 1
        while (delay := Backoff().delay(attempt, waited, lambda: 0.5)) is not None:
            waited += delay
            attempt += 1

        assert 11.5 * 3600 < waited <= 12 * 3600
        assert 25 < attempt < 40

    def test_backoff_respects_retry_after_within_bounds(self) -> None:
        def after(seconds: float) -> int | None:
            return Backoff().delay(1, 0, lambda: 0.5, seconds)

        assert (after(0), after(100), after(1e20)) == (2, 100, 3600)

    @given(
        st.integers(1, 10_000), st.floats(0, 50_000), st.floats(0, 1), st.none() | st.floats(0, 1e9)
    )
    def test_backoff_stays_within_the_limits_of_sqs(
        self, attempt: int, waited: float, part: float, after: float | None
    ) -> None:
        delay = Backoff().delay(attempt, waited, lambda: part, after)

        assert delay is None or 1 <= delay <= 12 * 3600


class TestDelivery:
    def test_telnyx_callbacks_go_to_the_tenants_webhook(self) -> None:
        scene = Scene()

        assert scene.deliver(telnyx_callback()) == Delivered(200)
        [(request, destination)] = scene.servers.got
        assert request.url == HOOK
        assert destination == Destination("app.example.com", 443, ("203.0.114.7",), tls=True)
        assert {"telnyx-signature-ed25519", "telnyx-timestamp"} < request.headers.keys()

    def test_signalwire_callbacks_go_to_the_relays_status_callback(self) -> None:
        scene = Scene()

        assert scene.deliver(signalwire_callback()) == Delivered(200)
        [(request, _)] = scene.servers.got
        assert request.url == STATUS
        assert parse_qs(request.body.decode())["AccountSid"] == [PROJECT]
        signature = request.headers["x-signalwire-signature"]
        form = dict(parse_qsl(request.body.decode()))
        key = signalwire.verification_key(MASTER, "acme")["signing_key"]
        assert RequestValidator(key).validate(STATUS, form, signature)

    def test_callbacks_without_a_url_or_tenant_are_dropped(self) -> None:
        scene = Scene()
        assert scene.deliver(signalwire_callback(status_callback=None)) == Dropped("no_url")
        other = msgspec.structs.replace(telnyx_callback(), surface="asapp")
        assert scene.deliver(other) == Dropped("no_url")
        stranger = msgspec.structs.replace(telnyx_callback(), tenant_id="nobody")
        assert scene.deliver(stranger) == Dropped("no_tenant")
        scene.set_webhook(None)
        assert scene.deliver(telnyx_callback()) == Dropped("no_url")
        assert not scene.servers.got

    @pytest.mark.parametrize("answer", [HttpAnswer(500), HttpAnswer(429), "timeout", "tls"])
    def test_failover_gets_what_the_first_url_does_not_take_for_now(
        self, answer: HttpAnswer | str
    ) -> None:
        scene = Scene()
        scene.servers.answers[HOOK] = answer

        assert scene.deliver(telnyx_callback()) == Delivered(200)
        assert scene.servers.urls == [HOOK, FAILOVER]
        metas = [json.loads(request.body)["meta"] for request, _ in scene.servers.got]
        assert [meta["delivered_to"] for meta in metas] == [HOOK, FAILOVER]

    def test_failover_gets_nothing_if_the_first_url_refuses(self) -> None:
        scene = Scene()
        scene.servers.answers[HOOK] = HttpAnswer(410)

        assert scene.deliver(telnyx_callback()) == Failed("status_410", is_permanent=True)
        assert scene.servers.urls == [HOOK]

    def test_failure_is_that_of_the_first_url(self) -> None:
        scene = Scene()
        scene.servers.answers |= {HOOK: HttpAnswer(503, "60"), FAILOVER: HttpAnswer(404)}

        outcome = scene.deliver(telnyx_callback())
        assert outcome == Failed("status_503", is_permanent=False, retry_after=60)

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("http://inside.example/", "forbidden_address"),
            ("http://rebound.example/", "forbidden_address"),
            ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "forbidden_address"),
            ("ftp://app.example.com/", "forbidden_scheme"),
            ("https://user@name@app.example.com/", "forbidden_unreadable_credentials"),
            ("https://user:word@inside.example/", "forbidden_address"),
            ("https://app.example.com:25/", "forbidden_port"),
            ("https:///path", "forbidden_not_a_url"),
            ("https://app.example.com/\u00e9", "forbidden_not_a_url"),
        ],
    )
    def test_forbidden_destinations_are_not_dialled(self, url: str, reason: str) -> None:
        scene = Scene()

        outcome = scene.deliver(signalwire_callback(status_callback=url))
        assert outcome == Failed(reason, is_permanent=True)
        assert not scene.servers.got

    @pytest.mark.parametrize(
        ("credentials", "header"),
        [
            ("user:pass", "dXNlcjpwYXNz"),
            ("user", "dXNlcjo="),
            ("user:a:b", "dXNlcjphOmI="),
            ("us%40er:%C3%A9%3A", "dXNAZXI6w6k6"),
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "GET"])
    def test_credentials_are_signed_in_the_url_and_sent_in_a_header(
        self, method: str, credentials: str, header: str
    ) -> None:
        scene = Scene()
        given = STATUS.replace("://", f"://{credentials}@")
        callback = signalwire_callback(status_callback=given, status_callback_method=method)

        assert scene.deliver(callback) == Delivered(200)
        [(request, destination)] = scene.servers.got
        assert destination.host == "app.example.com"
        assert request.url.startswith(STATUS)
        assert request.headers["authorization"] == f"Basic {header}"
        signed = request.url.replace("://", f"://{credentials}@")
        key = signalwire.verification_key(MASTER, "acme")["signing_key"]
        form = dict(parse_qsl(request.body.decode()))
        signature = request.headers["x-signalwire-signature"]
        assert RequestValidator(key).validate(signed, form, signature)

    def test_password_of_a_webhook_is_in_no_body(self) -> None:
        scene = Scene()
        scene.servers.answers[HOOK] = HttpAnswer(500)
        scene.set_webhook(Webhook(url=HOOK.replace("://", "://user:s3cret@")))

        scene.deliver(telnyx_callback())

        request, _ = scene.servers.got[0]
        assert request.headers["authorization"] == "Basic dXNlcjpzM2NyZXQ="
        assert b"s3cret" not in request.body
        assert json.loads(request.body)["meta"]["delivered_to"] == HOOK

    def test_unknown_host_is_tried_again(self) -> None:
        callback = signalwire_callback(status_callback="https://none.example/")
        assert Scene().deliver(callback) == Failed("unknown_host", is_permanent=False)

    def test_local_stack_reaches_this_machine_alone(self) -> None:
        scene = Scene(local=True)
        for url, outcome in (
            ("http://127.0.0.1:8080/", Delivered(200)),
            ("http://inside.example/", Failed("forbidden_address", is_permanent=True)),
        ):
            assert scene.deliver(signalwire_callback(status_callback=url)) == outcome
