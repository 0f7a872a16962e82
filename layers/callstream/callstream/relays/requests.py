"""Requests to the Streams table that change relays. Pure.

| pk                    | sk                  | what                                            |
|-----------------------|---------------------|-------------------------------------------------|
| `CALL#<tenant>#<id>`  | `RELAY#<relay id>`  | a relay, in one of the states of `lifecycle`    |
|                       | `NAME#<name>`       | the relay that has this name while it is active |
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
from callstream.ports import Item
from callstream.relays.model import CallCommand, Relay
from callstream.table_requests import set_request
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
    return _key(relay.tenant_id, relay.call_id, "NAME", relay.name)


def command_key(command: CallCommand) -> Item | None:
    """The key of the claim of a command's id; None if the command has no id."""
    if command.command_id is None:
        return None
    return _key(command.tenant_id, command.call_id, "COMMAND", command.command_id)


def _key(tenant_id: str, call_id: str, kind: str, name: str) -> Item:
    return call_key(tenant_id, call_id) | {"sk": f"{kind}#{name}"}


def build_command(command: CallCommand) -> list[Item]:
    """Claim the command's id, if it has one, and remember its client state; the call is active."""
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
    key = call_key(command.tenant_id, command.call_id)
    call = set_request(key, values, "#state = :active", {"active": CallState.ACTIVE})
    return [*operations, {"Update": call}]


def build_start(relays: Sequence[Relay], command: CallCommand, expires_at: int) -> list[Item]:
    """Carry out a command that makes relays, whose names must be free.

    Args:
        relays: the new relays.
        command: the command that makes the relays.
        expires_at: when the items of the call expire, in seconds since 1970.
    """
    operations = build_command(command)
    for relay in relays:
        item = key_of(relay) | relay.model_dump(mode="json", exclude_none=True)
        operations.append({"Put": {"Item": item | {"expires_at": expires_at, "live": LIVE_RELAY}}})
        if (key := name_key(relay)) is not None:
            claim = key | {"relay_id": relay.relay_id, "expires_at": expires_at}
            operations.append(
                {"Put": {"Item": claim, "ConditionExpression": "attribute_not_exists(pk)"}}
            )
    return operations


def build_transition(
    relay: Relay, event: RelayEvent, now: datetime, changes: Item | None = None
) -> list[Item]:
    """Take a relay as it was read to its next state; a relay that ends gives up its name.

    If a command stops a relay that a run owns, that run, or its rescue, still has to end the relay:
    the relay stays live, and keeps its checkpoint, until its tenant has been notified.

    Args:
        relay: the relay as it was read.
        event: the event that changes the state.
        now: the time.
        changes: further attributes that the relay gets.

    Raises:
        IllegalTransition: the lifecycle has no such step.
    """
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
    operations: list[Item] = [{"Update": update}]
    if is_final and (key := name_key(relay)) is not None:
        operations.append({"Delete": {"Key": key}})
    return operations
