"""What the tenant of a relay gets of a dialogue."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from callstream.callbacks.model import encode
from callstream.dialogues.model import DialogueSettings
from callstream.dialogues.virtual_agent import DialogueEnd, Heard, KeysWanted, Reply
from callstream.errors import Unavailable
from callstream.relays.dialogue_reports import QueuedReports
from callstream.relays.notifier import RelayNotifier
from callstream.tenants.directory import Tenant, Webhook
from tests.relays import make_relay
from tests.unit.callbacks.scenes import CALL, HOOK, TENANT
from tests.unit.relays.scenes import Callbacks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CURIOUS = TENANT.model_copy(
    update={"webhooks": {"telnyx": Webhook(url=HOOK, dialogue_events=True)}}
)
SQS_LIMIT = 256 * 1024


class Scene:
    """The reports of one relay, and the queue that they come to."""

    def __init__(self, tenant: Tenant | None = CURIOUS) -> None:
        self.callbacks = Callbacks()
        streams: Any = SimpleNamespace(call=lambda *_: CALL)
        relays: Any = None
        self.reports = QueuedReports(
            RelayNotifier(relays, streams, self.callbacks, lambda: NOW),
            make_relay(sink="dialogflow", dialogue=DialogueSettings(connection_id="c")),
            tenant,
        )


def test_reports_are_queued_as_callbacks_of_their_relay() -> None:
    scene = Scene()
    scene.reports.heard(1, Heard("hello", is_final=True))
    scene.reports.replied(2, Reply(b"audio", "Hi", keys=KeysWanted(4), parameters={"a": [1]}))
    scene.reports.ended(3, "transfer", DialogueEnd("transfer", {"why": "x"}, "+15550100"))

    heard, replied, ended = scene.callbacks.queued
    assert [each.event for each in scene.callbacks.queued] == ["heard", "replied", "ended"]
    assert {each.relay.client_state for each in scene.callbacks.queued} == {CALL.client_state}
    assert heard.dialogue
    assert replied.dialogue
    assert ended.dialogue
    assert heard.dialogue.heard == Heard("hello", is_final=True)
    assert replied.dialogue.reply == Reply(b"", "Hi", keys=KeysWanted(4), parameters={"a": [1]})
    assert replied.dialogue.heard == heard.dialogue.heard
    assert (ended.dialogue.reason, ended.dialogue.end) == (
        "transfer",
        DialogueEnd("transfer", {"why": "x"}, "+15550100"),
    )
    assert not any(each.dialogue.is_truncated for each in scene.callbacks.queued if each.dialogue)


def test_replies_have_what_they_answer_until_the_last_of_a_turn() -> None:
    scene, hello = Scene(), Heard("hello", is_final=True)
    scene.reports.replied(1, Reply(b"", "Welcome"))
    scene.reports.heard(2, hello)
    scene.reports.replied(3, Reply(b"", "One moment", is_partial=True))
    scene.reports.replied(4, Reply(b"", "Hi"))
    scene.reports.replied(5, Reply(b"", "Are you there?"))

    answered = [each.dialogue.heard for each in scene.callbacks.queued if each.dialogue]
    assert answered == [None, hello, hello, hello, None]


def test_a_report_that_is_repeated_has_the_same_id() -> None:
    scene = Scene()
    for number in (1, 2, 1):
        scene.reports.heard(number, Heard("hello", is_final=True))

    first, other, again = (each.callback_id for each in scene.callbacks.queued)
    assert first == again != other


@pytest.mark.parametrize(
    "tenant", [None, TENANT, CURIOUS.model_copy(update={"always_redacts": True})]
)
def test_nothing_is_queued_for_a_tenant_that_does_not_ask(tenant: Tenant | None) -> None:
    scene = Scene(tenant)
    scene.reports.heard(1, Heard("hello", is_final=True))
    scene.reports.ended(2, "hangup", None)

    assert not scene.callbacks.queued


def test_reports_of_any_size_fit_the_queue() -> None:
    scene, long = Scene(), "\x01" * 1_000_000
    everything: Any = {"text": long, "intent": long, "event": long, "parameters": {long: long}}
    scene.reports.heard(1, Heard(long, is_final=True))
    scene.reports.replied(2, Reply(b"", **everything))
    scene.reports.ended(3, "transfer", DialogueEnd("transfer", {"a": long}, long))
    scene.reports.replied(4, Reply(b"", "a" * 4_000))
    scene.reports.replied(5, Reply(b"", parameters={"a": "a" * 65_000}))

    sizes = [len(encode(each).encode()) for each in scene.callbacks.queued]
    assert max(sizes) < SQS_LIMIT
    reports = [each.dialogue for each in scene.callbacks.queued if each.dialogue]
    assert [each.is_truncated for each in reports] == [True, True, True, False, False]
    assert reports[1].reply
    assert reports[1].reply.parameters == {}
    assert reports[1].reply.text.endswith("…")


def test_a_report_that_the_queue_does_not_take_raises_and_is_the_same_when_repeated() -> None:
    scene = Scene()
    scene.reports.heard(1, Heard("hello", is_final=True))
    scene.callbacks.down = True
    with pytest.raises(Unavailable):
        scene.reports.replied(2, Reply(b"", "Hi"))
    scene.callbacks.down = False
    scene.reports.replied(2, Reply(b"", "Hi"))

    heard, replied = (each.dialogue for each in scene.callbacks.queued)
    assert heard
    assert replied
    assert replied.heard == heard.heard
