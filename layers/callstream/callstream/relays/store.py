"""The relays of calls in the Streams table, and the commands on them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import RELAY_LIFECYCLE, RelayEvent, RelayState
from callstream.calls.model import Call
from callstream.calls.store import LIVE_INDEX
from callstream.errors import CallEnded, ConditionFailed, LimitReached, UnknownCall
from callstream.identity import RelayIdentity
from callstream.ports import Item, Table
from callstream.relays.model import CallCommand, NameTaken, NoSuchRelay, Relay
from callstream.relays.requests import (
    ATTRIBUTES_OF_RUNS,
    LIVE_RELAY,
    build_done,
    build_start,
    build_transition,
    build_transitions,
    check_room,
    claim_key,
    command_key,
    key_of,
    last_of_name,
    name_key,
    relay_key,
)
from callstream.table_requests import optimistically, set_request
from callstream.tenants.directory import Surface
from callstream.times import milliseconds

_ATTEMPTS: Final = 5
# A transaction has at most 100 operations: three for the command and what is counted, up to two for
# each relay.
_STOPPED_AT_ONCE: Final = 48
# An id or a name is part of a key.
_MAX_KEY_BYTES: Final = 512


class RelayStore:
    """The relays of calls, and the commands on them. Every method may raise `Unavailable`.

    `noted`, `note` and `conclude` are for the run of a relay (`callstream.relays.lease`), which
    keeps attributes of its own in the relay's item.
    """

    # It has 21 methods: one for each command, one for each question, and one for each check that
    # the commands share. All of them are about the items of one call, which change together.

    def __init__(self, table: Table) -> None:
        self._table = table

    def start(self, relay: Relay, command: CallCommand, *, once: bool = False) -> bool:
        """Make a relay, as `start_together` does; False if nothing was made."""
        return bool(self.start_together([relay], command, once=once))

    def start_together(
        self, relays: Sequence[Relay], command: CallCommand, *, once: bool = False
    ) -> list[Relay]:
        """Make the relays of one command, in one transaction.

        With `once`, a command without an id does not make a relay if an active relay has the same
        spec.

        Returns:
            The relays that were made: none if the command repeats one that has been carried out.

        Raises:
            UnknownCall, CallEnded, NameTaken
            LimitReached, TooLarge: the tenant's limits leave no room for the relays.
        """
        leaves_out_alike = once and command.command_id is None

        def attempt() -> list[Relay]:
            if self._is_repeat(command):
                return []
            call = self.active_call(command)
            alike = self._active(call) if leaves_out_alike else []
            new = [each for each in relays if not any(each.has_same_spec(other) for other in alike)]
            if not new:
                return []
            if any(self.has_taken_name(each) for each in new):
                raise NameTaken("another active relay of this call has the name")
            self.make(new, command, call)
            return new

        return optimistically(attempt, _ATTEMPTS)

    def make(
        self,
        relays: Sequence[Relay],
        command: CallCommand,
        call: Call,
        also: Sequence[Item] = (),
    ) -> None:
        """Make relays of a call as it was read, in one transaction with further operations.

        Raises:
            ConditionFailed: something has changed meanwhile.
            LimitReached, TooLarge: the tenant's limits leave no room for the relays.
        """
        check_room(relays, command, call)
        operations, most = build_start(relays, command, call), command.limits.active_relays
        try:
            self._table.transact([*operations, *also])
        except ConditionFailed as failed:
            if most is not None and failed.operation == len(operations) - 1:
                raise LimitReached("active_relays", most) from None
            raise

    def stop(
        self,
        command: CallCommand,
        surface: Surface,
        *,
        relay: str | None = None,
        ended_ok: bool = False,
    ) -> list[Relay]:
        """Stop the surface's relay of this id or name, or all of the surface's relays.

        A command that repeats one that has been carried out stops nothing. With `ended_ok`, a relay
        that has ended before is not an error.

        Returns:
            The relays that this command has stopped.

        Raises:
            UnknownCall, CallEnded
            NoSuchRelay: no such relay is active or, with `ended_ok`, has ever been there.
        """
        stopped: list[Relay] = []

        def attempt() -> list[Relay]:
            if self._is_repeat(command):
                return stopped
            self.active_call(command)
            found = self.find(command.tenant_id, command.call_id, surface, relay)
            active = [each for each in found if each.is_active]
            if not (active or stopped or (ended_ok and (found or relay is None))):
                raise NoSuchRelay("no relay of this kind")
            while len(active) > _STOPPED_AT_ONCE:
                stopped.extend(self._stop(active[:_STOPPED_AT_ONCE], command.now))
                del active[:_STOPPED_AT_ONCE]
            # The command itself comes last, so that its repetition stops the remaining relays.
            return stopped + self._stop(active, command.now, command)

        return optimistically(attempt, _ATTEMPTS)

    def close(self, command: CallCommand, surface: Surface, *, relay: str) -> list[Relay]:
        """Stop the surface's relay of this id or name on a call that is over, as `stop` does.

        Raises:
            NoSuchRelay: the call has never had the relay.
        """

        def attempt() -> list[Relay]:
            found = self.find(command.tenant_id, command.call_id, surface, relay)
            if not found:
                raise NoSuchRelay("no relay of this kind")
            active = [each for each in found if each.is_active]
            return self._stop(active, command.now) if active else []

        return optimistically(attempt, _ATTEMPTS)

    def advance(
        self, relay: Relay, event: RelayEvent, now: datetime, changes: Item | None = None
    ) -> bool:
        """Take a relay to its next state, with further attributes.

        Returns:
            False if the transition is not allowed in the relay's present state.
        """

        def attempt() -> bool:
            found = self.get(relay.tenant_id, relay.call_id, relay.relay_id)
            if found is None or event not in RELAY_LIFECYCLE[found.state]:
                return False
            self._table.transact(build_transition(found, event, now, changes))
            return True

        return optimistically(attempt, _ATTEMPTS)

    def get(self, tenant_id: str, call_id: str, relay_id: str) -> Relay | None:
        """A relay, by its id; None if the call has never had it."""
        item = self._table.get(relay_key(tenant_id, call_id, relay_id))
        return None if item is None else Relay.of_item(item)

    def find(
        self, tenant_id: str, call_id: str, surface: Surface, relay: str | None = None
    ) -> list[Relay]:
        """The surface's relay of this id, or else the last of this name; or all that are active.

        An id means its own relay alone, even if another relay has the id as its name. Reads as many
        items for a call's hundredth relay as for the first.
        """
        item = self._table.get(call_key(tenant_id, call_id))
        call = None if item is None else Call.from_item(item)
        if call is None or call.relays_made is None:
            return self._find_among_all(tenant_id, call_id, surface, relay)
        if relay is None:
            found = self._active(call)
        elif len(relay.encode()) > _MAX_KEY_BYTES:
            found = []
        else:
            by_id = self.get(tenant_id, call_id, relay)
            is_meant = by_id is not None and by_id.surface == surface
            meant = by_id if is_meant else self._last_of_name(call, surface, relay)
            found = [] if meant is None else [meant]
        return [each for each in found if each.surface == surface]

    def _last_of_name(self, call: Call, surface: Surface, name: str) -> Relay | None:
        claim = self._table.get(claim_key(call.tenant_id, call.call_id, name)) or {}
        relay_id = last_of_name(claim, surface)
        return None if relay_id is None else self.get(call.tenant_id, call.call_id, relay_id)

    def _find_among_all(
        self, tenant_id: str, call_id: str, surface: Surface, relay: str | None
    ) -> list[Relay]:
        """As `find`, for a call of an earlier version, which does not know its live relays."""
        relays = [each for each in self.relays(tenant_id, call_id) if each.surface == surface]
        if relay is None:
            return relays
        return [each for each in relays if each.relay_id == relay] or [
            each for each in relays if each.name == relay
        ]

    def _active(self, call: Call) -> list[Relay]:
        """The active relays of a call as it was read."""
        if call.relays_made is None:
            relays = self.relays(call.tenant_id, call.call_id)
        else:
            ids = sorted(call.live_relays)
            found = (self.get(call.tenant_id, call.call_id, relay_id) for relay_id in ids)
            relays = [each for each in found if each is not None]
        return [each for each in relays if each.is_active]

    def relays(self, tenant_id: str, call_id: str) -> list[Relay]:
        """All relays that a call has had."""
        items = self._table.query(call_key(tenant_id, call_id)["pk"], "RELAY#")
        return [Relay.of_item(item) for item in items]

    def live(self, after: RelayIdentity | None = None) -> Iterator[RelayIdentity]:
        """All relays for which runs have something to do, as far as the index knows them.

        The index follows the table with a delay. With `after`, those behind this relay in the order
        of the index.
        """
        start = relay_key(after.tenant_id, after.call_id, after.relay_id) if after else None
        for key in self._table.index(LIVE_INDEX, "live", LIVE_RELAY, after=start):
            _, tenant_id, call_id = str(key["pk"]).split("#", 2)
            yield RelayIdentity(tenant_id, call_id, str(key["sk"]).partition("#")[2])

    def active_call(self, command: CallCommand) -> Call:
        """A command's call.

        Raises:
            UnknownCall, CallEnded
        """
        item = self._table.get(call_key(command.tenant_id, command.call_id))
        if item is None:
            raise UnknownCall("no such call of this tenant")
        call = Call.from_item(item)
        if not call.is_active:
            raise CallEnded("the call is over")
        return call

    def has_taken_name(self, relay: Relay) -> bool:
        """Whether another active relay of the call has this relay's name."""
        key = name_key(relay)
        claim = None if key is None else self._table.get(key)
        return claim is not None and "relay_id" in claim

    def noted(self, relay: Relay) -> Item:
        """The relay's whole item, with the attributes of its runs; empty if the item is gone."""
        return self._table.get(key_of(relay)) or {}

    def note(
        self, relay: Relay, run_id: str, notes: Item, *, may_be_stopped: bool = False
    ) -> Item | None:
        """Let the owner of a relay write attributes.

        With `may_be_stopped`, a command may have stopped the relay, if its tenant has not been
        notified yet.

        Returns:
            The whole item with the notes; None if another run owns the relay, or if it has ended.
        """
        state = "#state = :streaming"
        arguments: Item = {"run": run_id, "streaming": RelayState.STREAMING}
        if may_be_stopped:
            state = f"({state} OR (#state = :stopped AND attribute_not_exists(#notified_at)))"
            arguments["stopped"] = RelayState.STOPPED
        condition = f"#owner_run_id = :run AND {state}"
        request = set_request(key_of(relay), notes, condition, arguments)
        try:
            return self._table.update(request)
        except ConditionFailed:
            return None

    def conclude(self, relay: Relay, last: Item, *, done_at: datetime | None = None) -> None:
        """Write attributes that no other run writes, also of a relay that has ended.

        With `done_at`, no run has anything left to do for the relay from then on.
        """
        if done_at is not None and relay.counted:
            try:
                self._table.transact(build_done(relay, last, done_at))
            except ConditionFailed:
                pass  # the relay was done before, and has given its place back
            else:
                return
        remove = () if done_at is None else ATTRIBUTES_OF_RUNS
        self._table.update(set_request(key_of(relay), last, "attribute_exists(pk)", remove=remove))

    def _is_repeat(self, command: CallCommand) -> bool:
        key = command_key(command)
        claim = None if key is None else self._table.get(key)
        return claim is not None and claim["until"] > milliseconds(command.now)

    def _stop(
        self, relays: list[Relay], now: datetime, command: CallCommand | None = None
    ) -> list[Relay]:
        self._table.transact(build_transitions(relays, RelayEvent.STOP, now, command=command))
        stopped = {"state": RelayState.STOPPED, "updated_at": milliseconds(now)}
        return [each.model_copy(update=stopped) for each in relays]
