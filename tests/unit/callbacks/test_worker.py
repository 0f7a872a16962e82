"""What becomes of a callback that was delivered, refused or not answered."""

import json
from datetime import timedelta

import pytest

from callstream.callbacks import shares
from callstream.callbacks.delivery import HttpAnswer
from tests.unit.callbacks.scenes import (
    FAILOVER,
    HOOK,
    IN_FLIGHT,
    NOW,
    RELAY_ID,
    STATUS,
    Scene,
    signalwire_callback,
    telnyx_callback,
)


def test_delivered_callback_is_finished() -> None:
    scene = Scene()

    assert scene.take(telnyx_callback())
    assert (scene.postponed, scene.given_up, scene.retries.all()) == ([], [], [])


def test_attempt_number_is_sqs_receive_count() -> None:
    scene = Scene()
    scene.take(telnyx_callback(), attempt=4)

    [(request, _)] = scene.servers.got
    assert json.loads(request.body)["meta"]["attempt"] == 4


def test_failed_callback_is_postponed_and_noted() -> None:
    scene = Scene()
    scene.servers.answers |= {HOOK: "timeout", FAILOVER: "connection"}

    assert not scene.take(telnyx_callback(), attempt=3)
    assert scene.postponed == [("handle-1", 20)]
    [retry] = scene.retries.all()
    assert (retry.attempts, retry.reason, retry.relay_id) == (3, "timeout", RELAY_ID)
    assert retry.again_at == int((NOW + timedelta(seconds=20)).timestamp() * 1000)
    assert "example.com" not in repr(scene.states.items)

    scene.servers.answers.clear()
    assert scene.take(telnyx_callback(), attempt=4)
    assert scene.retries.all() == []
    assert scene.given_up == []


def test_refused_callback_is_given_up_at_once() -> None:
    scene = Scene()
    scene.servers.answers[HOOK] = HttpAnswer(400)

    assert scene.take(telnyx_callback())
    callback_id = telnyx_callback().callback_id
    assert scene.given_up == [(callback_id, 1, "status_400", "message-1")]
    assert scene.postponed == []


def test_callback_is_given_up_after_half_a_day() -> None:
    scene = Scene()
    scene.servers.answers |= {HOOK: HttpAnswer(500), FAILOVER: HttpAnswer(500)}

    assert not scene.take(telnyx_callback(), attempt=30, waited=11 * 3600)
    assert len(scene.retries.all()) == 1
    assert scene.take(telnyx_callback(), attempt=31, waited=11.9 * 3600)
    assert [reason for _, _, reason, _ in scene.given_up] == ["status_500"]
    assert scene.retries.all() == []


def test_callback_is_postponed_during_an_outage_of_a_table() -> None:
    scene = Scene()
    scene.tenants.is_down = scene.states.is_down = True

    assert not scene.take(telnyx_callback())
    assert scene.postponed == [("handle-1", 5)]


def test_callback_beyond_the_tenants_share_is_postponed_without_a_request() -> None:
    scene = Scene()
    for _ in range(IN_FLIGHT):
        assert scene.shares.begin("acme", IN_FLIGHT, NOW)

    assert not scene.take(telnyx_callback())
    assert scene.servers.got == []
    assert scene.postponed == [("handle-1", 5)]
    assert [retry.reason for retry in scene.retries.all()] == ["too_many_in_flight"]


def test_delivery_that_has_ended_leaves_the_tenants_share_free() -> None:
    scene = Scene()
    for answer in (HttpAnswer(200), HttpAnswer(400), "timeout"):
        scene.servers.answers = dict.fromkeys((HOOK, FAILOVER), answer)
        for _ in range(IN_FLIGHT):
            scene.take(telnyx_callback())
    scene.master_is_down = True
    for _ in range(IN_FLIGHT):
        scene.take(telnyx_callback())

    for _ in range(IN_FLIGHT):
        assert scene.shares.begin("acme", IN_FLIGHT, NOW)


def test_callback_that_would_wait_with_too_many_others_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "MOST_WAITING", 1)
    scene = Scene()
    scene.servers.answers |= {HOOK: "timeout", FAILOVER: "timeout"}

    assert not scene.take(telnyx_callback())
    assert not scene.take(telnyx_callback(), attempt=2)
    assert scene.take(telnyx_callback("stopped"))
    assert [reason for _, _, reason, _ in scene.given_up] == ["too_many_waiting"]

    scene.servers.answers.clear()
    assert scene.take(telnyx_callback(), attempt=3)
    scene.servers.answers |= {HOOK: "timeout", FAILOVER: "timeout"}
    assert not scene.take(telnyx_callback("stopped"))


def test_worker_logs_no_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    scene = Scene()
    for answer in (HttpAnswer(200), HttpAnswer(400), HttpAnswer(500), "tls"):
        scene.servers.answers = dict.fromkeys((HOOK, FAILOVER, STATUS), answer)
        scene.take(telnyx_callback())
        scene.take(signalwire_callback())

    assert len(caplog.records) >= 8
    for record in caplog.records:
        assert "example.com" not in repr(vars(record))
