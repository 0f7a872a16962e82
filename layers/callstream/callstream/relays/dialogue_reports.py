"""Reports of dialogues as callbacks: what the tenant of a relay gets of a dialogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, override

import msgspec
from msgspec.structs import replace

from callstream.callbacks.model import DialogueReport, Event
from callstream.dialogues.reporting import DialogueReporter, EndReason
from callstream.dialogues.virtual_agent import DialogueEnd, Heard, Reply
from callstream.relays.model import Relay
from callstream.relays.notifier import RelayNotifier, callback_of_report
from callstream.tenants.directory import Tenant

# SQS takes messages of 256 KB; a character of text has at most 6 bytes in JSON.
_MOST_CHARACTERS: Final = 4_000
_MOST_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class QueuedReports(DialogueReporter):
    """Queues a callback for each report, behind the others of its relay.

    If the tenant does not ask for reports, nothing is queued.
    """

    notifier: RelayNotifier
    relay: Relay
    tenant: Tenant | None
    _heard: Heard | None = None
    """What the next reply answers."""

    @override
    def heard(self, number: int, heard: Heard) -> None:
        self._heard = short = replace(heard, text=_shortened(heard.text))
        self._send("heard", DialogueReport(number, heard=short, is_truncated=short != heard))

    @override
    def replied(self, number: int, reply: Reply) -> None:
        # The end has a report of its own.
        reply = replace(reply, audio=b"", end=None)
        short = replace(
            reply,
            text=_shortened(reply.text),
            intent=reply.intent and _shortened(reply.intent),
            event=reply.event and _shortened(reply.event),
            parameters=_bounded(reply.parameters),
        )
        report = DialogueReport(number, self._heard, short, is_truncated=short != reply)
        self._send("replied", report)
        if not reply.is_partial:
            self._heard = None

    @override
    def ended(self, number: int, reason: EndReason, end: DialogueEnd | None) -> None:
        short = end and replace(
            end,
            metadata=_bounded(end.metadata),
            destination=end.destination and _shortened(end.destination),
        )
        report = DialogueReport(number, reason=reason, end=short, is_truncated=short != end)
        self._send("ended", report)

    def _send(self, event: Event, report: DialogueReport) -> None:
        relay, notifier = self.relay, self.notifier
        if self.tenant is None or not self.tenant.gets_dialogue_events(relay.surface):
            return
        call = notifier.streams.call(relay.tenant_id, relay.call_id)
        callback = callback_of_report(relay, call, event, report, notifier.clock())
        notifier.callbacks.send(callback)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def _bounded(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values that fit, or none: a part of them could mislead."""
    return values if len(msgspec.json.encode(values)) <= _MOST_BYTES else {}
