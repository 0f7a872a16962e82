"""Relays: the forks of a call that somebody has asked for, in the Streams table beside their call.

| pk                    | sk                  | what                                            |
|-----------------------|---------------------|-------------------------------------------------|
| `CALL#<tenant>#<id>`  | `RELAY#<relay id>`  | a relay, in one of the states of `lifecycle`    |
|                       | `NAME#<name>`       | the relay that has this name while it is active |
|                       | `COMMAND#<id>`      | a command that was carried out                  |
|                       | `AGENT#<agent id>`  | an agent's last relay, and the streams that had |
|                       |                     | no need of another                              |

A command and all its effects are one transaction, so a repeated one cannot take effect twice, at
whatever moment it comes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from callstream.calls.calls import call_key
from callstream.calls.lifecycle import (
    RELAY_LIFECYCLE,
    CallState,
    RelayEvent,
    RelayState,
    next_state,
)
from callstream.calls.model import Call
from callstream.calls.streams import LIVE_INDEX
from callstream.dialects.events import Tracks
from callstream.errors import CallEnded, ConditionFailed, Conflict, Unavailable, UnknownCall
from callstream.identity import RelayIdentity
from callstream.ports import Item, Table
from callstream.tenants.directory import Surface
from callstream.times import milliseconds

LIVE_RELAY: Final = "relay"
"""What the index of what is live (`callstream.calls.streams`) has active relays under."""
# Telnyx ignores a command that repeats another's id for so long.
REPEAT_WINDOW: Final = timedelta(seconds=60)
_ATTEMPTS: Final = 5
# A transaction has at most 100 operations: two for the command, up to two for each relay.
_STOPPED_AT_ONCE: Final = 49

# What makes two relays of a call the same to whoever asks for them.
_ASKED_FOR: Final = {"surface", "url", "track", "name", "auth_token", "parameters", "settings"}


@dataclass(frozen=True, slots=True)
class CallCommand:
    """What every command on a call has: whose and which call, when, and what to remember.

    `client_state` goes into every later callback of the call; the latest that was given counts.
    """

    tenant_id: str
    call_id: str
    now: datetime
    command_id: str | None = None
    client_state: str | None = None


def _without_decimals(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the numbers that DynamoDB gives as decimals."""
    return {
        name: int(value) if isinstance(value, Decimal) else value
        for name, value in settings.items()
    }


class RelaySpec(BaseModel):
    """What is wanted of a relay, by a command for one call or by an agent for all of a route.

    `url`, `auth_token` and `parameters` may hold the tenant's secrets: never log them. There is no
    `url` if Dialogflow alone gets the audio.
    `settings` is what only the relay's own surface knows.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    surface: Surface
    url: str | None = Field(default=None, repr=False)
    track: Tracks
    name: str | None = None
    auth_token: str | None = Field(default=None, repr=False)
    parameters: dict[str, str] = Field(default={}, repr=False)
    settings: Annotated[dict[str, Any], BeforeValidator(_without_decimals)] = {}
    status_callback: str | None = Field(default=None, repr=False)
    status_callback_method: Literal["GET", "POST"] = "POST"


class Relay(RelaySpec):
    """One fork of a call's audio to one consumer. Times are milliseconds since 1970.

    `owner_run_id` is the run that owns the relay, `heartbeat_at` when that last said that it lives
    (`callstream.relays.lease`); `dropped` is for
    how many frames its consumer was too slow.
    """

    relay_id: str
    tenant_id: str
    call_id: str
    state: RelayState = RelayState.REQUESTED
    error: str | None = None
    created_at: int
    updated_at: int
    owner_run_id: str | None = None
    heartbeat_at: int | None = None
    dropped: int | None = None

    @classmethod
    def of(cls, order: RelaySpec, relay_id: str, command: CallCommand) -> Self:
        """What carries an order out on a call."""
        return cls(
            **dict(order),
            relay_id=relay_id,
            tenant_id=command.tenant_id,
            call_id=command.call_id,
            created_at=milliseconds(command.now),
            updated_at=milliseconds(command.now),
        )

    @property
    def identity(self) -> RelayIdentity:
        """Which relay it is."""
        return RelayIdentity(self.tenant_id, self.call_id, self.relay_id)

    @property
    def is_active(self) -> bool:
        """Whether it can still be stopped."""
        return RelayEvent.STOP in RELAY_LIFECYCLE[self.state]


class NameTaken(Conflict):
    """Another active relay of this call has the name."""


class NoSuchRelay(Conflict):
    """The call has no active relay of this id or name."""


def _key(tenant_id: str, call_id: str, kind: str, name: str) -> Item:
    return call_key(tenant_id, call_id) | {"sk": f"{kind}#{name}"}


def _build_command(command: CallCommand) -> list[Item]:
    """Claim the command's id, if it has one, and remember its client state."""
    operations: list[Item] = []
    if command.command_id is not None:
        until = command.now + REPEAT_WINDOW
        key = _key(command.tenant_id, command.call_id, "COMMAND", command.command_id)
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
    call: Item = {
        "Key": call_key(command.tenant_id, command.call_id),
        "UpdateExpression": "SET commanded_at = :now",
        "ConditionExpression": "#state = :active",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":active": CallState.ACTIVE,
            ":now": milliseconds(command.now),
        },
    }
    if command.client_state is not None:
        call["UpdateExpression"] += ", client_state = :client_state"
        call["ExpressionAttributeValues"][":client_state"] = command.client_state
    return [*operations, {"Update": call}]


def build_start(relay: Relay, command: CallCommand, expires_at: int) -> list[Item]:
    """Carry out a command that makes a relay."""
    key = _key(relay.tenant_id, relay.call_id, "RELAY", relay.relay_id)
    item = key | relay.model_dump(mode="json", exclude_none=True)
    item |= {"expires_at": expires_at, "live": LIVE_RELAY}
    operations: list[Item] = [*_build_command(command), {"Put": {"Item": item}}]
    if relay.name is not None:
        key = _key(relay.tenant_id, relay.call_id, "NAME", relay.name)
        claim = key | {"relay_id": relay.relay_id, "expires_at": expires_at}
        operations.append(
            {"Put": {"Item": claim, "ConditionExpression": "attribute_not_exists(pk)"}}
        )
    return operations


def build_joined(
    relay: Relay, agent_id: str, stream_id: str, before: str | None, expires_at: int
) -> Item:
    """Note that a relay is an agent's on its call, if that of `before` still was until now."""
    claim = _key(relay.tenant_id, relay.call_id, "AGENT", agent_id)
    note = {"relay_id": relay.relay_id, "streams": {stream_id}, "expires_at": expires_at}
    put: Item = {"Item": claim | note, "ConditionExpression": "attribute_not_exists(pk)"}
    if before is not None:
        put["ConditionExpression"] = "relay_id = :before"
        put["ExpressionAttributeValues"] = {":before": before}
    return {"Put": put}


def _build_followed(key: Item, claim: Item, stream_id: str) -> Item:
    """One more of the call's streams goes on with an agent's relay."""
    return {
        "Key": key,
        "UpdateExpression": "ADD streams :stream",
        "ConditionExpression": "relay_id = :relay",
        "ExpressionAttributeValues": {":stream": {stream_id}, ":relay": claim["relay_id"]},
    }


def _build_changes(relay: Relay, values: Item, condition: str) -> Item:
    """Give a relay these attributes."""
    return {
        "Key": _key(relay.tenant_id, relay.call_id, "RELAY", relay.relay_id),
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
    }


def build_transition(
    relay: Relay, event: RelayEvent, now: datetime, changes: Item | None = None
) -> list[Item]:
    """Take a relay as it was read to its next state; one that has ended gives up its name.

    `changes` are further attributes that it gets.

    Raises:
        IllegalTransition: the lifecycle has no such step.
    """
    target = next_state(RELAY_LIFECYCLE, relay.state, event)
    values: Item = {"state": target, "updated_at": milliseconds(now), **(changes or {})}
    is_final = not RELAY_LIFECYCLE[target]
    update = _build_changes(relay, values, "#state = :source")
    update["ExpressionAttributeValues"][":source"] = relay.state
    if is_final:
        update["UpdateExpression"] += " REMOVE live, checkpoint"
    operations: list[Item] = [{"Update": update}]
    if relay.name is not None and is_final:
        key = _key(relay.tenant_id, relay.call_id, "NAME", relay.name)
        operations.append({"Delete": {"Key": key}})
    return operations


class RelayStore:
    """The relays of calls, and the commands on them. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def start(self, relay: Relay, command: CallCommand, *, once: bool = False) -> bool:
        """Make a relay; False if the command repeats one that has been carried out.

        With `once`, a command without an id repeats another if it asks for what is active already.

        Raises:
            UnknownCall, CallEnded, NameTaken
        """
        for _ in range(_ATTEMPTS):
            if self._is_repeat(command):
                return False
            call = self._active_call(command)
            if once and command.command_id is None and self._is_there(relay):
                return False
            self._check_name(relay)
            try:
                self._table.transact(build_start(relay, command, call.expires_at))
            except ConditionFailed:
                continue  # something came between: look again at what
            return True
        raise Unavailable("dynamodb", "Contended")

    def join(self, agent_id: str, relay: Relay, stream_id: str, now: datetime) -> Relay | None:
        """Make an agent's relay, because a stream has started; None if the call has had it.

        A relay is of the call, not of the stream: a stream that joins others, which may continue
        one of them, makes none. Only if all those had ended does the agent join anew; of its last
        relay, which is about to end, nothing is waited for.
        Another relay of the call may have the name, which this one then goes without.

        Raises:
            UnknownCall, CallEnded
        """
        command = CallCommand(relay.tenant_id, relay.call_id, now)
        key = _key(relay.tenant_id, relay.call_id, "AGENT", agent_id)
        for _ in range(_ATTEMPTS):
            call = self._active_call(command)
            claim = self._table.get(key)
            before = None if claim is None else str(claim["relay_id"])
            others = call.open_streams - {stream_id}
            try:
                if claim is not None and (before == relay.relay_id or others & claim["streams"]):
                    self._table.update(_build_followed(key, claim, stream_id))
                    return None
                if before is not None:
                    self._stop_if_active(relay, before, now)
                made, expires_at = self._with_a_free_name(relay), call.expires_at
                joined = build_joined(made, agent_id, stream_id, before, expires_at)
                self._table.transact([*build_start(made, command, expires_at), joined])
            except ConditionFailed:
                continue  # something came between: look again at what
            return made
        raise Unavailable("dynamodb", "Contended")

    def stop(
        self,
        command: CallCommand,
        surface: Surface,
        *,
        relay: str | None = None,
        ended_ok: bool = False,
    ) -> list[Relay]:
        """Stop the surface's relay of this id or name, or all of them; those that were stopped.

        A command that repeats one that has been carried out stops nothing. With `ended_ok` it is
        no error if what is meant has ended before.

        Raises:
            UnknownCall, CallEnded
            NoSuchRelay: nothing of the kind is active or, with `ended_ok`, has ever been.
        """
        stopped: list[Relay] = []
        for _ in range(_ATTEMPTS):
            if self._is_repeat(command):
                return stopped
            self._active_call(command)
            meant = self.find(command.tenant_id, command.call_id, surface, relay)
            active = [each for each in meant if each.is_active]
            if not (active or stopped or (ended_ok and (meant or relay is None))):
                raise NoSuchRelay("no relay of this kind")
            try:
                while len(active) > _STOPPED_AT_ONCE:
                    stopped += self._stop(active[:_STOPPED_AT_ONCE], command.now)
                    del active[:_STOPPED_AT_ONCE]
                # The command itself comes last: its repetition completes what it could not.
                return stopped + self._stop(active, command.now, _build_command(command))
            except ConditionFailed:
                continue  # something came between: look again at what
        raise Unavailable("dynamodb", "Contended")

    def close(self, command: CallCommand, surface: Surface, *, relay: str) -> list[Relay]:
        """Stop the surface's relay of this id or name on a call that is over, as `stop` does.

        Raises:
            NoSuchRelay: the call has never had it.
        """
        meant = self.find(command.tenant_id, command.call_id, surface, relay)
        if not meant:
            raise NoSuchRelay("no relay of this kind")
        for _ in range(_ATTEMPTS):
            active = [each for each in meant if each.is_active]
            try:
                return self._stop(active, command.now) if active else []
            except ConditionFailed:
                meant = self.find(command.tenant_id, command.call_id, surface, relay)
        raise Unavailable("dynamodb", "Contended")

    def get(self, tenant_id: str, call_id: str, relay_id: str) -> Relay | None:
        """A relay, by its id; None if the call has never had it."""
        item = self._table.get(_key(tenant_id, call_id, "RELAY", relay_id))
        return None if item is None else Relay.model_validate(item)

    def live(self) -> Iterator[RelayIdentity]:
        """All relays that are active, as far as the index knows."""
        for key in self._table.index(LIVE_INDEX, "live", LIVE_RELAY):
            _, tenant_id, call_id = str(key["pk"]).split("#", 2)
            yield RelayIdentity(tenant_id, call_id, str(key["sk"]).partition("#")[2])

    def noted(self, relay: Relay) -> Item:
        """All that the table has of a relay, also what only its runs know; empty if it is gone."""
        key = _key(relay.tenant_id, relay.call_id, "RELAY", relay.relay_id)
        return self._table.get(key) or {}

    def note(self, relay: Relay, run_id: str, notes: Item) -> Item | None:
        """Let the owner of a relay change attributes; what the table has then.

        None if another run owns the relay, or if the relay is over.
        """
        request = _build_changes(relay, notes, "#owner = :run AND #state = :streaming")
        request["ExpressionAttributeNames"] |= {"#owner": "owner_run_id", "#state": "state"}
        request["ExpressionAttributeValues"] |= {
            ":run": run_id,
            ":streaming": RelayState.STREAMING,
        }
        try:
            return self._table.update(request)
        except ConditionFailed:
            return None

    def conclude(self, relay: Relay, last: Item) -> None:
        """Give a relay that is over the last that its run has to say."""
        self._table.update(_build_changes(relay, last, "attribute_exists(pk)"))

    def advance(
        self, relay: Relay, event: RelayEvent, now: datetime, changes: Item | None = None
    ) -> bool:
        """Take a relay to its next state, with further attributes; False if that is no step now."""
        for _ in range(_ATTEMPTS):
            found = self.get(relay.tenant_id, relay.call_id, relay.relay_id)
            if found is None or event not in RELAY_LIFECYCLE[found.state]:
                return False
            try:
                self._table.transact(build_transition(found, event, now, changes))
            except ConditionFailed:
                continue  # something came between: look again
            return True
        raise Unavailable("dynamodb", "Contended")

    def find(
        self, tenant_id: str, call_id: str, surface: Surface, relay: str | None = None
    ) -> list[Relay]:
        """The surface's relays of this id or else of this name, or all of them, ended or not.

        An id means its own relay alone, even if another one has it as its name.
        """
        relays = [each for each in self.relays(tenant_id, call_id) if each.surface == surface]
        if relay is None:
            return relays
        return [each for each in relays if each.relay_id == relay] or [
            each for each in relays if each.name == relay
        ]

    def relays(self, tenant_id: str, call_id: str) -> list[Relay]:
        """All relays that a call has had."""
        items = self._table.query(call_key(tenant_id, call_id)["pk"], "RELAY#")
        return [Relay.model_validate(item) for item in items]

    def _is_repeat(self, command: CallCommand) -> bool:
        if command.command_id is None:
            return False
        key = _key(command.tenant_id, command.call_id, "COMMAND", command.command_id)
        claim = self._table.get(key)
        return claim is not None and claim["until"] > milliseconds(command.now)

    def _is_there(self, relay: Relay) -> bool:
        wanted = relay.model_dump(include=_ASKED_FOR)
        return any(
            each.is_active and each.model_dump(include=_ASKED_FOR) == wanted
            for each in self.find(relay.tenant_id, relay.call_id, relay.surface)
        )

    def _active_call(self, command: CallCommand) -> Call:
        item = self._table.get(call_key(command.tenant_id, command.call_id))
        if item is None:
            raise UnknownCall("no such call of this tenant")
        call = Call.from_item(item)
        if not call.is_active:
            raise CallEnded("the call is over")
        return call

    def _check_name(self, relay: Relay) -> None:
        if relay.name is not None:
            key = _key(relay.tenant_id, relay.call_id, "NAME", relay.name)
            if self._table.get(key) is not None:
                raise NameTaken("another active relay of this call has the name")

    def _with_a_free_name(self, relay: Relay) -> Relay:
        try:
            self._check_name(relay)
        except NameTaken:
            return relay.model_copy(update={"name": None})
        return relay

    def _stop_if_active(self, successor: Relay, relay_id: str, now: datetime) -> None:
        relay = self.get(successor.tenant_id, successor.call_id, relay_id)
        if relay is not None and relay.is_active:
            self._stop([relay], now)

    def _stop(self, relays: list[Relay], now: datetime, also: Sequence[Item] = ()) -> list[Relay]:
        transitions = (build_transition(each, RelayEvent.STOP, now) for each in relays)
        self._table.transact([*chain.from_iterable(transitions), *also])
        stopped = {"state": RelayState.STOPPED, "updated_at": milliseconds(now)}
        return [each.model_copy(update=stopped) for each in relays]
