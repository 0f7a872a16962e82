"""A relay's state and its call's, for the run that carries it: tables, callbacks, other runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from callstream.audio.formats import ByteOrder
from callstream.audio.packetizer import return_format
from callstream.audio.transcoding import forked
from callstream.calls.lifecycle import RelayState
from callstream.ports import Item, RelayStarter
from callstream.relays.notifier import RelayNotifier
from callstream.relays.run import Standing
from callstream.relays.sinks.carrier_legs import format_of
from callstream.relays.sinks.fork import TRACKS, Fork, ForkedCall, ForkNumbers
from callstream.relays.store import Relay
from callstream.tenants.directory import Directory, Tenant
from callstream.times import milliseconds

_MOST_RESCUES: Final = 10
"""How often a relay is rescued, one time soon after the other, before it has failed."""
_SOON_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Office:
    """What `callstream.relays.run.RelayOffice` asks for, for one run of a relay.

    `follows` is the run before, which this one succeeds or replaces; None for the first.
    """

    relay: Relay
    news: RelayNotifier
    directory: Directory
    starter: RelayStarter
    run_id: str
    follows: str | None = None
    l16_byte_order: ByteOrder = "big"

    def connected(self, checkpoint: bytes) -> bool:
        """The consumer has answered the first run; False if the relay was stopped meanwhile."""
        notes = {"run": self.run_id} | self._sign_of_life() | {"checkpoint": checkpoint}
        return self.news.connected(self.relay, notes)

    def standing(self) -> Standing:
        """Whether this run shall go on.

        The relay has stopped if somebody has stopped it, or if its tenant is disabled.
        """
        relay, tenant = self._present(), self.tenant()
        if relay is None or not relay.is_active or tenant is None or not tenant.enabled:
            return Standing.STOPPED
        return Standing.GOES_ON if relay.run == self.run_id else Standing.REPLACED

    def keep(self, checkpoint: bytes | None, dropped: int) -> None:
        """This run lives, and is there; so many frames were dropped."""
        where = {} if checkpoint is None else {"checkpoint": checkpoint}
        self._note(self._sign_of_life() | where | {"dropped": dropped})

    def ended(self, reason: str | None, dropped: int) -> None:
        """The relay is over, by failure if there is a reason; so many frames were dropped.

        Not if another run carries it: a consumer may close a connection because of that run's.
        """
        if self.news.relays.noted(self.relay).get("run", self.run_id) != self.run_id:
            return
        if reason:
            self.news.failed(self.relay, reason, dropped)
        else:
            self.news.stopped(self.relay, dropped)

    def streams(self) -> Sequence[Item]:
        """The call's open streams, the oldest first."""
        return self.news.streams.open_streams(self.relay.tenant_id, self.relay.call_id)

    def streams_since(self, moment: float) -> Sequence[Item]:
        """Those that were open then or are newer, the oldest first."""
        return self.news.streams.streams_since(
            self.relay.tenant_id, self.relay.call_id, round(moment * 1000)
        )

    def call_successor(self) -> None:
        """Start another run of this relay, which waits for this one to leave."""
        self.starter.succeed(self.relay.identity, self.run_id)

    def is_ready(self) -> None:
        """This run, a successor, gets all records."""
        if self.follows is not None:
            ready = {"successor": self.run_id, "successor_of": self.follows}
            self.news.relays.note(self.relay, self.follows, ready)

    def successor_is_ready(self) -> bool:
        """Whether the successor that was called says so."""
        return self._successor() is not None

    def leave(self, checkpoint: bytes) -> bool:
        """The successor may go on from here; False if it may not any more."""
        if (successor := self._successor()) is None:
            return False
        return self._note({"run": successor, "checkpoint": checkpoint} | self._sign_of_life())

    def inherit(self) -> bytes | None:
        """What the predecessor has left; None if it has not left yet."""
        noted = self.news.relays.noted(self.relay)
        if noted.get("run") != self.run_id:
            return None
        if "checkpoint" not in noted:
            # It has left, and then a command came.
            self._see_to_its_end(self.run_id)
            return None
        return bytes(noted["checkpoint"])

    def call_rescue(self) -> None:
        """Start another run of this relay, which takes over from this one."""
        self.starter.rescue(self.relay.identity, self.run_id)

    def take_over(self) -> bytes | None:
        """The last checkpoint of the run that this one is to replace; None if there is no need.

        After too many rescues, one soon after the other, the relay has failed: what kills its runs
        will not stop.
        """
        if self.follows is None:
            return None
        before, now = self.news.relays.noted(self.relay), milliseconds(self.news.now())
        since = now - int(before.get("rescued_at", 0))
        rescues = int(before.get("rescues", 0)) + 1 if since < _SOON_MS else 1
        taken = {"run": self.run_id, "seen_at": now, "rescued_at": now, "rescues": rescues}
        noted = self.news.relays.note(self.relay, self.follows, taken)
        if noted is None:
            self._see_to_its_end(self.follows)
            return None
        if rescues > _MOST_RESCUES:
            self.ended("lost", 0)
            return None
        return bytes(noted["checkpoint"])

    def _see_to_its_end(self, run_id: str) -> None:
        """Tell that the relay has stopped, if a command has stopped it and its run has died."""
        noted = self.news.relays.noted(self.relay)
        stopped = noted.get("state") == RelayState.STOPPED and noted.get("run") == run_id
        if stopped and "told_at" not in noted:
            self.news.stopped(self.relay, 0)

    def _successor(self) -> str | None:
        noted = self.news.relays.noted(self.relay)
        return noted["successor"] if noted.get("successor_of") == self.run_id else None

    def _note(self, notes: Item) -> bool:
        # Should another run have taken over, the next look tells.
        return self.news.relays.note(self.relay, self.run_id, notes) is not None

    def _sign_of_life(self) -> Item:
        return {"seen_at": milliseconds(self.news.now())}

    def tenant(self) -> Tenant | None:
        """Whose relay it is."""
        return self.directory.tenant(self.relay.tenant_id)

    def fork(self, streams: Sequence[Item], numbers: ForkNumbers | None) -> Fork:
        """What the consumer is told, with the numbers of a predecessor if there was one."""
        first, tenant = streams[0], self.tenant()
        settings = self.relay.settings
        format_, convert = forked(
            format_of(first), settings.get("stream_codec", "default"), self.l16_byte_order
        )
        known = self.news.streams.call(self.relay.tenant_id, self.relay.call_id) or {}
        call = ForkedCall(
            stream_id=self.relay.relay_id,
            call_id=self.relay.call_id,
            account_id=str(tenant.project_id) if tenant else "",
            format=format_,
            tracks=TRACKS[self.relay.track],
            parameters=self.relay.parameters,
            session_id=first.get("session_id"),
            from_number=first.get("from_number"),
            to_number=first.get("to_number"),
            client_state=known.get("client_state"),
        )
        hears = return_format(settings, format_)
        return Fork(self.relay.surface, call, convert, numbers, hears)

    def _present(self) -> Relay | None:
        relay = self.relay
        return self.news.relays.get(relay.tenant_id, relay.call_id, relay.relay_id)
