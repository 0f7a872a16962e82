"""The ownership of a relay across its runs, in the relay's item in the Streams table.

             A connects            A calls B, which               A hands
              its sink             reports ready                   over
    requested ────────► owned by A ───────────────► offered to B ────────► owned by B
                            │                             │
                            │    A is silent for 20 s,    │
                            │    or has lost its feed     │
                            └──────────────┬──────────────┘
                                           ▼
                                 owned by C, a rescue

    requested ── a command ──────────────────────────────────────────────► ended
    owned ────── the end of the call, or a failure ──────────────────────► ended
    owned ────── a command ──► stopped, still owned ── the owner is done ► ended
                                 │            ▲
                                 └── a rescue ┘

B and C are then owners as A was. Each arrow is one conditional write, so that of several runs one
succeeds. The owner of a stopped relay gives the rest that its sink has, such as the last words of a
transcription, and notifies the tenant. If the owner dies before that, a rescue does so; the rescue
of a stopped fork notifies the tenant only. The attributes:

| attribute          | what                                                                     |
|--------------------|--------------------------------------------------------------------------|
| `owner_run_id`     | the run that owns the relay                                              |
| `heartbeat_at`     | the owner's latest heartbeat; there is a heartbeat every other second    |
| `checkpoint`       | the owner's place, from which another run can go on; until the end       |
| `dropped`          | number of frames that were dropped because the consumer was too slow     |
| `successor_run_id` | the run that the relay is offered to …                                   |
| `offered_by`       | … if this is the owner; otherwise the offer is an old one                |
| `rescued_at`       | when a run last took over                                                |
| `rescues`          | number of rescues in a row, each within 10 minutes of the one before     |
| `notified_at`      | when the tenant was notified that the relay is over                      |

Times are milliseconds since 1970.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, override

from callstream.calls.lifecycle import RelayState
from callstream.ports import Item, RelayStarter
from callstream.relays.model import Relay
from callstream.relays.notifier import RelayNotifier
from callstream.relays.ports import Lease, LeaseStatus
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Directory
from callstream.times import milliseconds

_MOST_RESCUES: Final = 10
"""After so many rescues in a row, the relay fails at the next."""
_SOON_MS: Final = 600_000
"""Two rescues are in a row if they are less than so many milliseconds apart."""


@dataclass(frozen=True, slots=True)
class RelayLease(Lease):
    """The lease of one run.

    `run_id` is that run; `follows` is the run before, which this one succeeds or replaces, None for
    the first. `gives_rest` is whether the run, as a rescue or successor, still has something to
    give if a command has stopped the relay. `clock` gives the present.
    """

    relay: Relay
    relays: RelayStore
    notifier: RelayNotifier
    directory: Directory
    starter: RelayStarter
    clock: Callable[[], datetime]
    run_id: str
    follows: str | None = None
    gives_rest: bool = False

    @override
    def acquire(self, checkpoint: bytes) -> bool:
        now = milliseconds(self.clock())
        owned = {"owner_run_id": self.run_id, "heartbeat_at": now, "checkpoint": checkpoint}
        return self.notifier.connected(self.relay, owned)

    @override
    def status(self) -> LeaseStatus:
        relay = self.relays.get(self.relay.tenant_id, self.relay.call_id, self.relay.relay_id)
        tenant = self.directory.tenant(self.relay.tenant_id)
        owner = None if relay is None else relay.owner_run_id
        if owner is not None and owner != self.run_id:
            return LeaseStatus.REPLACED
        if relay is None or not relay.is_active or tenant is None or not tenant.enabled:
            return LeaseStatus.STOPPED
        return LeaseStatus.REPLACED if owner is None else LeaseStatus.OWNER

    @override
    def renew(self, checkpoint: bytes | None, dropped: int) -> None:
        where: Item = {} if checkpoint is None else {"checkpoint": checkpoint}
        # If another run has taken over, the next `status` says so.
        self._change(where | {"dropped": dropped}, may_be_stopped=True)

    @override
    def finish(self, reason: str | None, dropped: int) -> None:
        # A consumer may close this run's connection because of the new owner's.
        if self._item().get("owner_run_id", self.run_id) != self.run_id:
            return
        if reason:
            self.notifier.failed(self.relay, reason, dropped)
        else:
            self.notifier.stopped(self.relay, dropped)

    @override
    def call_successor(self) -> None:
        self.starter.succeed(self.relay.identity, self.run_id)

    @override
    def report_ready(self) -> None:
        if self.follows is not None:
            offer = {"successor_run_id": self.run_id, "offered_by": self.follows}
            self.relays.note(self.relay, self.follows, offer)

    @override
    def successor_is_ready(self) -> bool:
        return self._successor() is not None

    @override
    def hand_over(self, checkpoint: bytes) -> bool:
        if (successor := self._successor()) is None:
            return False
        return self._change({"owner_run_id": successor, "checkpoint": checkpoint})

    @override
    def accept_hand_over(self) -> bytes | None:
        item = self._item()
        if item.get("owner_run_id") != self.run_id:
            return None
        goes_on = item["state"] == RelayState.STREAMING or self.gives_rest
        if not goes_on or "checkpoint" not in item:
            # The run before has handed over, and then a command came.
            self._notify_if_unfinished(self.run_id)
            return None
        return bytes(item["checkpoint"])

    @override
    def call_rescue(self) -> None:
        self.starter.rescue(self.relay.identity, self.run_id)

    @override
    def take_over(self) -> bytes | None:
        if self.follows is None:
            return None
        before, now = self._item(), milliseconds(self.clock())
        is_soon = now - int(before.get("rescued_at", 0)) < _SOON_MS
        rescues = int(before.get("rescues", 0)) + 1 if is_soon else 1
        owned = {"owner_run_id": self.run_id, "heartbeat_at": now}
        rescue = {"rescued_at": now, "rescues": rescues}
        # An earlier version removed the checkpoint of a relay that a command stopped.
        may_be_stopped = self.gives_rest and "checkpoint" in before
        item = self.relays.note(
            self.relay, self.follows, owned | rescue, may_be_stopped=may_be_stopped
        )
        if item is None:
            self._notify_if_unfinished(self.follows)
            return None
        if rescues > _MOST_RESCUES:
            self.finish("lost", 0)
            return None
        return bytes(item["checkpoint"])

    def _notify_if_unfinished(self, run_id: str) -> None:
        """Finish the relay if a command has stopped it, and its owner died before finishing it."""
        item = self._item()
        stopped = item.get("state") == RelayState.STOPPED and item.get("owner_run_id") == run_id
        if stopped and "notified_at" not in item:
            self.notifier.stopped(self.relay, 0)

    def _successor(self) -> str | None:
        item = self._item()
        return item["successor_run_id"] if item.get("offered_by") == self.run_id else None

    def _item(self) -> Item:
        return self.relays.noted(self.relay)

    def _change(self, attributes: Item, *, may_be_stopped: bool = False) -> bool:
        """Write attributes, and a heartbeat; False if this run does not own the relay."""
        changes = {"heartbeat_at": milliseconds(self.clock())} | attributes
        noted = self.relays.note(self.relay, self.run_id, changes, may_be_stopped=may_be_stopped)
        return noted is not None
