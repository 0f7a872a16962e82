"""The notifier of relays: changes their states, and sends callbacks to their tenants."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from callstream.callbacks.model import (
    CallbackQueue,
    CallbackRelay,
    CallbackTranscript,
    DialogueReport,
    Event,
    RelayCallback,
)
from callstream.calls.lifecycle import RelayEvent
from callstream.calls.model import Call
from callstream.calls.store import StreamStore
from callstream.errors import Unavailable
from callstream.frames.records import Transcript
from callstream.ports import Item
from callstream.relays.model import Relay
from callstream.relays.store import RelayStore
from callstream.times import milliseconds
from callstream.transcription.model import Speaker

_logger = logging.getLogger(__name__)
_NAMESPACE: Final = UUID("6c0f0d1a-5f0d-5d0e-9d57-3f6b1c7a2e10")


@dataclass(frozen=True, slots=True)
class RelayNotifier:
    """Changes the states of relays, and notifies their tenants.

    `clock` gives the present. Every method may raise `Unavailable`.
    """

    relays: RelayStore
    streams: StreamStore
    callbacks: CallbackQueue
    clock: Callable[[], datetime]

    def connected(self, relay: Relay, attributes: Item) -> bool:
        """The sink is open: the relay streams, with these attributes; False if it was stopped."""
        if not self.relays.advance(relay, RelayEvent.CONNECT, self.clock(), attributes):
            return False
        self._notify(relay, "started")
        return True

    def stopped(self, relay: Relay, dropped: int) -> None:
        """The relay is over, and has dropped so many frames."""
        last = self._last_attributes(dropped)
        if not self.relays.advance(relay, RelayEvent.STOP, self.clock(), last):
            # The relay has its last state from a command; the tenant is notified now.
            self.relays.conclude(relay, last, done_at=self.clock())
        self._notify(relay, "stopped")

    def failed(self, relay: Relay, reason: str, dropped: int = 0) -> None:
        """The relay has failed. If it was over before, it has stopped."""
        attributes = self._last_attributes(dropped) | {"error": reason}
        if self.relays.advance(relay, RelayEvent.FAIL, self.clock(), attributes):
            self._notify(relay, "failed", reason)
        else:
            self.stopped(relay, dropped)

    def _last_attributes(self, dropped: int) -> Item:
        return {"dropped": dropped, "notified_at": milliseconds(self.clock())}

    def _notify(self, relay: Relay, event: Event, reason: str | None = None) -> None:
        if relay.sink == "transcription":
            return  # no vendor has a callback for these: its lines are notified of
        try:
            call = self.streams.call(relay.tenant_id, relay.call_id)
            self.callbacks.send(callback_of(relay, call, event, reason, self.clock()))
        except Unavailable:
            _logger.exception("callback lost: %s", event, extra={"relay_id": relay.relay_id})


def callback_of(
    relay: Relay, call: Call | None, event: Event, reason: str | None, now: datetime
) -> RelayCallback:
    """The callback about a relay.

    Its id follows from the relay and the event, so that receivers can notice repeats.

    Args:
        relay: the relay, as the Streams table has it.
        call: its call; None if the table has dropped the call.
        event: the relay's event.
        reason: why the relay has failed; None for the other events.
        now: when it happened.
    """
    return RelayCallback(
        callback_id=str(uuid5(_NAMESPACE, f"{relay.relay_id}/{event}")),
        tenant_id=relay.tenant_id,
        surface=relay.surface,
        event=event,
        relay=CallbackRelay(
            relay_id=relay.relay_id,
            call_id=relay.call_id,
            sink=relay.sink,
            track=relay.track,
            name=relay.name,
            session_id=call.session_id if call else None,
            account_id=call.account_id if call else None,
            url=relay.url,
            client_state=call.client_state if call else None,
            status_callback=relay.status_callback,
            status_callback_method=relay.status_callback_method,
        ),
        occurred_at=milliseconds(now),
        reason=reason,
    )


def callback_of_line(
    relay: Relay, speaker: Speaker, line: Transcript, now: datetime
) -> RelayCallback:
    """The callback that brings a line of a relay that transcribes.

    Its id follows from the transcript and the line's number, so that a line that is queued again
    counts once.

    Args:
        relay: the relay, as the Streams table has it.
        speaker: who speaks on the line's track.
        line: the line.
        now: when the line was made; of two lines, the earlier is resent first.
    """
    return RelayCallback(
        callback_id=str(uuid5(_NAMESPACE, f"{speaker.transcript_id}/{line.number}")),
        tenant_id=relay.tenant_id,
        surface=relay.surface,
        event="transcript",
        relay=CallbackRelay(
            relay_id=relay.relay_id, call_id=relay.call_id, sink=relay.sink, track=relay.track
        ),
        occurred_at=milliseconds(now),
        transcript=CallbackTranscript(
            line=line,
            transcript_id=speaker.transcript_id,
            role=speaker.role,
            external_id=speaker.external_id,
        ),
    )


def callback_of_report(
    relay: Relay, call: Call | None, event: Event, report: DialogueReport, now: datetime
) -> RelayCallback:
    """The callback that brings a report of a dialogue.

    Its id follows from the relay and the report's number, so that a report that is queued again
    counts once.

    Args:
        relay: the relay, as the Streams table has it.
        call: its call; None if the table has dropped the call.
        event: `heard`, `replied` or `ended`.
        report: the report.
        now: when it happened.
    """
    callback_id = str(uuid5(_NAMESPACE, f"{relay.relay_id}/dialogue/{report.number}"))
    callback = callback_of(relay, call, event, None, now)
    return replace(callback, callback_id=callback_id, dialogue=report)
