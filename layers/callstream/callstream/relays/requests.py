"""Requests to the Streams table that change relays. Pure.

| pk                    | sk                  | what                                            |
|-----------------------|---------------------|-------------------------------------------------|
| `CALL#<tenant>#<id>`  | `RELAY#<relay id>`  | a relay, in one of the states of `lifecycle`    |
|                       | `NAME#<name>`       | `relay_id`: the relay that has this name while  |
|                       |                     | active; `last_<surface>`: the last that had it  |
|                       | `COMMAND#<id>`      | a command that was carried out                  |
|                       | `AGENT#<agent id>`  | see `callstream.relays.agent_claims`            |

A command and all its effects are one transaction, so a repeated command never takes effect twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import (
    RELAY_LIFECYCLE,
    CallState,
    RelayEvent,
    RelayState,
    next_state,
)
from callstream.calls.model import Call
from callstream.errors import CallFull, LimitReached, TooLarge
from callstream.ports import Item
from callstream.relays.model import CallCommand, Relay
from callstream.table_requests import set_request
from callstream.tenants.directory import Surface
from callstream.tenants.running_limits import Kind, build_given_back, build_taken
from callstream.times import milliseconds

LIVE_RELAY: Final = "relay"
"""The key of active relays in the index of live items (`callstream.calls.store`)."""
ATTRIBUTES_OF_RUNS: Final = ("live", "checkpoint")
"""The attributes that a relay has as long as a run has something to do for it."""
# Telnyx ignores a command that repeats another's id for so long.
REPEAT_WINDOW: Final = timedelta(seconds=60)


def relay_key(tenant_id: str, call_id: str, relay_id: str) -> Item:
    """The key of a relay."""
    return _key(tenant_id, call_id, "RELAY", relay_id)


def key_of(relay: Relay) -> Item:
    """The key of this relay."""
    return relay_key(relay.tenant_id, relay.call_id, relay.relay_id)


def name_key(relay: Relay) -> Item | None:
    """The key of the claim of a relay's name; None if the relay has no name."""
    if relay.name is None:
        return None
    return claim_key(relay.tenant_id, relay.call_id, relay.name)


def claim_key(tenant_id: str, call_id: str, name: str) -> Item:
    """The key of the claim of a name."""
    return _key(tenant_id, call_id, "NAME", name)


def command_key(command: CallCommand) -> Item | None:
    """The key of the claim of a command's id; None if the command has no id."""
    if command.command_id is None:
        return None
    return _key(command.tenant_id, command.call_id, "COMMAND", command.command_id)


def _key(tenant_id: str, call_id: str, kind: str, name: str) -> Item:
    return call_key(tenant_id, call_id) | {"sk": f"{kind}#{name}"}


def build_command(
    command: CallCommand, made: Sequence[Relay] = (), done: Sequence[Relay] = ()
) -> list[Item]:
    """Claim the command's id, if it has one, and remember its client state; the call is active.

    Args:
        command: the command.
        made: the relays that the command makes, if the call counts them.
        done: the relays that the command ends, if they are counted.
    """
    operations: list[Item] = []
    if (key := command_key(command)) is not None:
        until = command.now + REPEAT_WINDOW
        claim = {"until": milliseconds(until), "expires_at": int(until.timestamp()) + 1}
        operations.append(
            {
                "Put": {
                    "Item": key | claim,
                    "ConditionExpression": "attribute_not_exists(pk) OR #until <= :now",
                    "ExpressionAttributeNames": {"#until": "until"},
                    "ExpressionAttributeValues": {":now": milliseconds(command.now)},
                }
            }
        )
    values: Item = {"commanded_at": milliseconds(command.now)}
    if command.client_state is not None:
        values["client_state"] = command.client_state
    condition, arguments = "#state = :active", {"active": CallState.ACTIVE, **_room(command, made)}
    if "active_room" in arguments:
        condition += (
            " AND (attribute_not_exists(#live_relays) OR size(#live_relays) <= :active_room)"
        )
    if "kept_room" in arguments:
        condition += " AND #relays_made <= :kept_room"
    key = call_key(command.tenant_id, command.call_id)
    call = set_request(
        key,
        values,
        condition,
        arguments,
        add={"relays_made": len(made), "live_relays": _ids(made)} if made else {},
        delete={"live_relays": _ids(done)} if done else {},
    )
    return [*operations, {"Update": call}]


def _room(command: CallCommand, made: Sequence[Relay]) -> Item:
    """How many relays a call may have before the command, so that the new ones have room."""
    limits = command.limits
    most = {"active_room": limits.active_relays_of_call, "kept_room": limits.relays_of_call}
    if not made:
        return {}
    return {name: limit - len(made) for name, limit in most.items() if limit is not None}


def _ids(relays: Sequence[Relay]) -> set[str]:
    return {relay.relay_id for relay in relays}


def check_room(relays: Sequence[Relay], command: CallCommand, call: Call) -> None:
    """Check a tenant's limits before a command makes relays, as far as the call shows.

    Args:
        relays: the new relays; at least one.
        command: the command that makes them.
        call: its call, as it was read.

    Raises:
        LimitReached, CallFull: there is no room for the relays.
        TooLarge: the command stores more than a command may.
    """
    limits, count = command.limits, len(relays)
    size = sum(len(relay.model_dump_json(exclude_none=True).encode()) for relay in relays)
    if limits.command_bytes is not None and size > limits.command_bytes:
        raise TooLarge(f"{size} bytes to store")
    if (most := limits.active_relays) is not None and count > most:
        raise LimitReached("active_relays", most)
    active, most = len(call.live_relays), limits.active_relays_of_call
    if most is not None and active + count > most:
        raise LimitReached("active_relays_of_call", most)
    made, most = call.relays_made or 0, limits.relays_of_call
    if most is not None and made + count > most:
        raise CallFull("relays_of_call", most)


def build_start(relays: Sequence[Relay], command: CallCommand, call: Call) -> list[Item]:
    """Carry out a command that makes relays, whose names must be free.

    The last operation counts the relays, on condition that there is room for them in the tenant's
    limits.

    Args:
        relays: the new relays; at least one.
        command: the command that makes the relays.
        call: its call, as it was read: the items of the relays expire with it.
    """
    expires_at = call.expires_at
    operations = build_command(command, () if call.relays_made is None else relays)
    for relay in relays:
        item = key_of(relay) | relay.model_dump(mode="json", exclude_none=True)
        operations.append({"Put": {"Item": item | {"expires_at": expires_at, "live": LIVE_RELAY}}})
        if (key := name_key(relay)) is not None:
            claim = {
                "relay_id": relay.relay_id,
                _last_of(relay): relay.relay_id,
                "expires_at": expires_at,
            }
            operations.append({"Update": set_request(key, claim, "attribute_not_exists(relay_id)")})
    tenant_id, most = command.tenant_id, command.limits.active_relays
    taken = build_taken(
        tenant_id, Kind.RELAYS, len(relays), most, now=command.now, expires_at=expires_at
    )
    return [*operations, taken]


def last_of_name(claim: Item, surface: Surface) -> str | None:
    """The id of a surface's last relay of a name, by the claim of the name; None if none had it."""
    return claim.get(f"last_{surface}")


def _last_of(relay: Relay) -> str:
    return f"last_{relay.surface}"


def build_transition(
    relay: Relay, event: RelayEvent, now: datetime, changes: Item | None = None
) -> list[Item]:
    """Take a relay as it was read to its next state, as `build_transitions` does."""
    return build_transitions([relay], event, now, changes)


def build_transitions(
    relays: Sequence[Relay],
    event: RelayEvent,
    now: datetime,
    changes: Item | None = None,
    command: CallCommand | None = None,
) -> list[Item]:
    """Take relays of one call to their next states; those that end give up their names.

    If a command stops a relay that a run owns, that run, or its rescue, still has to end the relay:
    the relay stays live and counted, and keeps its checkpoint, until its tenant has been notified.

    Args:
        relays: the relays as they were read.
        event: the event that changes the states.
        now: the time.
        changes: further attributes that the relays get.
        command: the command that does this; None if none does.

    Raises:
        IllegalTransition: the lifecycle has no such step.
    """
    operations: list[Item] = []
    done: list[Relay] = []
    for relay in relays:
        target = next_state(RELAY_LIFECYCLE, relay.state, event)
        values: Item = {"state": target, "updated_at": milliseconds(now), **(changes or {})}
        is_final = not RELAY_LIFECYCLE[target]
        is_done = is_final and ("notified_at" in values or relay.state is RelayState.REQUESTED)
        update = set_request(
            key_of(relay),
            values,
            "#state = :source",
            {"source": relay.state},
            remove=ATTRIBUTES_OF_RUNS if is_done else [],
        )
        operations.append({"Update": update})
        if is_final and (key := name_key(relay)) is not None:
            last = {_last_of(relay): relay.relay_id}
            operations.append({"Update": set_request(key, last, "", remove=["relay_id"])})
        if is_done and relay.counted:
            done.append(relay)
    if done:
        operations.append(build_given_back(done[0].tenant_id, Kind.RELAYS, len(done), now))
    if command is not None:
        return [*operations, *build_command(command, done=done)]
    return [*operations, *_build_left(done)]


def build_done(relay: Relay, last: Item, now: datetime) -> list[Item]:
    """Give a relay that is over its last attributes, if no run was done with it before."""
    update = set_request(key_of(relay), last, "attribute_exists(live)", remove=ATTRIBUTES_OF_RUNS)
    given_back = build_given_back(relay.tenant_id, Kind.RELAYS, 1, now)
    return [{"Update": update}, given_back, *_build_left([relay])]


def _build_left(done: Sequence[Relay]) -> list[Item]:
    """Take relays that are done from their call's live relays."""
    if not done:
        return []
    key = call_key(done[0].tenant_id, done[0].call_id)
    left = set_request(key, {}, "attribute_exists(pk)", delete={"live_relays": _ids(done)})
    return [{"Update": left}]
