"""A relay's state and its call's, for the one who runs it: tables, callbacks, the way back."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from callstream.callbacks import CallbackQueue, Event, RelayCallback
from callstream.dialects import DIALECTS
from callstream.dialects.events import AudioFormat, ReturnEvent, ReturnMedia
from callstream.directory import Directory, Tenant
from callstream.errors import Inexpressible, Unavailable
from callstream.forks import TRACKS, Fork, ForkedCall, ForkNumbers
from callstream.lifecycle import RelayEvent
from callstream.ports import Connections, Item, RelayStarter
from callstream.relays import Relay, RelayStore
from callstream.return_audio import check, pieces
from callstream.streams import StreamStore

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Office:
    """What `callstream.relaying.RelayOffice` asks for."""

    relay: Relay
    relays: RelayStore
    streams_of: StreamStore
    directory: Directory
    connections: Connections
    starter: RelayStarter
    callbacks: CallbackQueue
    now: Callable[[], datetime]

    def connected(self) -> bool:
        """The consumer has answered; False if the relay was stopped meanwhile."""
        if not self.relays.advance(self.relay, RelayEvent.CONNECT, self.now()):
            return False
        self._tell("started")
        return True

    def is_active(self) -> bool:
        """Whether the relay shall go on: nobody has stopped it, and its tenant is enabled."""
        relay, tenant = self._present(), self.tenant()
        return relay is not None and relay.is_active and tenant is not None and tenant.enabled

    def ended(self, reason: str | None, dropped: int) -> None:
        """The relay is over, by failure if there is a reason; so many frames were dropped."""
        event = RelayEvent.FAIL if reason else RelayEvent.STOP
        changes: Item = {"dropped": dropped} | ({"error": reason} if reason else {})
        # It has changed before if a command has stopped it; the tenant is told now.
        self.relays.advance(self.relay, event, self.now(), changes)
        self._tell("failed" if reason else "stopped", reason)

    def streams(self) -> Sequence[Item]:
        """The call's open streams, the oldest first."""
        return self.streams_of.open_streams(self.relay.tenant_id, self.relay.call_id)

    def send_back(self, event: ReturnEvent) -> None:
        """Pass on to the carrier what the consumer sends. Raises `UnusableAudio`."""
        for stream in self._targets():
            events: Iterable[ReturnEvent] = (event,)
            if isinstance(event, ReturnMedia):
                speaks = format_of(stream)
                check(self.relay.settings, speaks)
                events = pieces(event, speaks)
            dialect = DIALECTS[stream["dialect"]]
            with suppress(Inexpressible):
                for each in events:
                    text = dialect.render_return(each, stream["carrier_stream_id"])
                    self.connections.post(stream["connection_id"], text.encode())

    def _targets(self) -> Iterator[Item]:
        """The streams of the legs that shall hear it; a call with one leg has no opposite one."""
        relay = self.relay
        legs = relay.settings.get("stream_bidirectional_target_legs", "self")
        if legs in {"self", "both"}:
            yield from self.streams()
        if legs in {"opposite", "both"}:
            for call_id in self.streams_of.other_legs(relay.tenant_id, relay.call_id):
                yield from self.streams_of.open_streams(relay.tenant_id, call_id)

    def call_successor(self) -> None:
        """Start another run of this relay."""
        self.starter.start(self.relay, successor=True)

    def is_ready(self) -> None:
        """This run, a successor, gets all records."""
        self.relays.note(self.relay, {"successor": "ready"})

    def successor_is_ready(self) -> bool:
        """Whether the successor that was called says so."""
        return bool(self.relays.noted(self.relay, "successor") == "ready")

    def leave(self, legacy: bytes) -> None:
        """The successor may go on from here."""
        self.relays.note(self.relay, {"successor": "runs", "legacy": legacy})

    def inherit(self) -> bytes | None:
        """What the predecessor has left; None if it has not left yet."""
        if self.relays.noted(self.relay, "successor") != "runs":
            return None
        return bytes(self.relays.noted(self.relay, "legacy"))

    def tenant(self) -> Tenant | None:
        """Whose relay it is."""
        return self.directory.tenant(self.relay.tenant_id)

    def fork(self, streams: Sequence[Item], numbers: ForkNumbers | None) -> Fork:
        """What the consumer is told, with the numbers of a predecessor if there was one."""
        first, tenant = streams[0], self.tenant()
        call = ForkedCall(
            stream_id=self.relay.relay_id,
            call_id=self.relay.call_id,
            account_id=str(tenant.project_id) if tenant else "",
            format=format_of(first),
            tracks=TRACKS[self.relay.track],
            parameters=self.relay.parameters,
            session_id=first.get("session_id"),
        )
        return Fork(self.relay.surface, call, numbers=numbers)

    def _tell(self, event: Event, reason: str | None = None) -> None:
        relay, now = self.relay, self.now()
        try:
            call = self.streams_of.call(relay.tenant_id, relay.call_id) or {}
            self.callbacks.send(RelayCallback.of(relay, call, event, reason, now))
        except Unavailable:
            _logger.exception("callback lost: %s", event, extra={"relay_id": relay.relay_id})

    def _present(self) -> Relay | None:
        relay = self.relay
        return self.relays.get(relay.tenant_id, relay.call_id, relay.relay_id)


def format_of(stream: Item) -> AudioFormat:
    """The format of a stream's audio."""
    return AudioFormat(stream["encoding"], int(stream["sample_rate"]), int(stream["channels"]))
