"""Agents: what gets all calls of a route or an inbox, from each call's start.

An agent is a consumer at a URL, or the transcription of every call.

In the Directory table, beside their tenant:

| pk                   | sk                                 | what                                |
|----------------------|------------------------------------|-------------------------------------|
| `TENANT#<tenant id>` | `AGENT#<route>#<inbox>#<agent id>` | an agent of a route, or of an inbox |

Agents are items of their own, so that no request reads them with its tenant.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from callstream.dialects import DIALECTS
from callstream.dialects.events import Start
from callstream.errors import CallError, LimitReached, TooLarge, Unavailable
from callstream.identity import StreamIdentity
from callstream.ports import Item, RelayStarter, Table
from callstream.relays.agent_claims import AgentClaims
from callstream.relays.model import CallCommand, Relay, RelaySpec
from callstream.tenants.directory import Directory, Identifier, inbox_key
from callstream.tenants.keys import tenant_key
from callstream.transcription.model import Role

_logger = logging.getLogger(__name__)

Route = Literal["autotranscribe", "genagent", "inbox"]
"""The use of a stream, which its token names."""
MOST_OF_A_ROUTE: Final = 10
"""How many agents a route may have: each call gets a relay for each of them, and the call's `start`
waits until all of them are made."""

_NAMESPACE: Final = UUID("0b5c7a52-6a0e-5c39-8f0e-6f6f6b1e4c55")


class Agent(BaseModel):
    """What gets every call of a route, or of one inbox of the route `inbox`.

    The speakers of a transcription get the ids of their transcripts with each call.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    agent_id: Identifier
    tenant_id: Identifier
    route: Route
    inbox: str = ""
    spec: RelaySpec


def agent_key(agent: Agent) -> Item:
    """The key of an agent."""
    sk = _prefix(agent.route, agent.inbox) + agent.agent_id
    return tenant_key(agent.tenant_id) | {"sk": sk}


def _prefix(route: str, inbox: str) -> str:
    return f"AGENT#{route}#{inbox}#"


class AgentStore:
    """The agents of tenants. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def all(self, tenant_id: str) -> list[Agent]:
        """All of a tenant's agents, by route."""
        return self._read(tenant_id, "AGENT#")

    def of_route(self, tenant_id: str, route: str, inbox: str = "") -> list[Agent]:
        """The agents of a route or of an inbox."""
        found = self._read(tenant_id, _prefix(route, inbox))
        # The id of another inbox may begin in the same way.
        return [agent for agent in found if agent.inbox == inbox]

    def create(self, agent: Agent) -> None:
        """Add an agent.

        Raises:
            ConditionFailed: its tenant does not exist (operation 1) or the inbox (operation 2).
        """
        item = agent_key(agent) | agent.model_dump(mode="json", exclude_none=True)
        owners = [tenant_key(agent.tenant_id)]
        if agent.route == "inbox":
            owners.append(inbox_key(agent.tenant_id, agent.inbox))
        checks = [
            {"ConditionCheck": {"Key": owner, "ConditionExpression": "attribute_exists(pk)"}}
            for owner in owners
        ]
        put = {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
        self._table.transact([{"Put": put}, *checks])

    def delete(self, agent: Agent) -> None:
        """Remove an agent, if it is there. Its relays go on."""
        self._table.delete(agent_key(agent))

    def _read(self, tenant_id: str, prefix: str) -> list[Agent]:
        items = self._table.query(tenant_key(tenant_id)["pk"], prefix)
        return [Agent.model_validate(item) for item in items]


@dataclass(frozen=True, slots=True)
class AgentDispatcher:
    """Brings the agents of a stream's route to the stream's call."""

    store: AgentStore
    directory: Directory
    claims: AgentClaims
    starter: RelayStarter

    def dispatch(
        self, stream: StreamIdentity, inbox: str, start: Start, since: int, now: datetime
    ) -> None:
        """Make and start the relays of the agents that are not on the call yet.

        The relays' ids follow from stream and agent, so a repeated start makes no relay twice. A
        relay that was made and could not be started stays requested: the sweep starts it.

        Args:
            stream: the stream, which has started and is in its call.
            inbox: the inbox that the stream's URL was for; "" for any other route.
            start: the carrier's start message.
            since: when that message was received, in milliseconds since 1970.
            now: the time.

        Raises:
            Unavailable: a table did not answer; the relays that were made by then are started.
        """
        agents = self.store.of_route(stream.tenant_id, stream.route, inbox)
        if not agents:
            return
        about = {"stream_id": stream.stream_id}
        tenant = self.directory.tenant(stream.tenant_id)
        if tenant is None or not tenant.enabled:
            _logger.info("no agents: the tenant is disabled", extra=about)
            return
        command = CallCommand(stream.tenant_id, start.call_id, now, limits=tenant.running)
        reachable = True
        for agent in agents:
            relay_id = _relay_id(agent, stream.stream_id)
            relay = Relay.of(_of_call(agent.spec, command, since), relay_id, command)
            try:
                made = self.claims.make_relay(agent.agent_id, relay, stream.stream_id, command)
            except (LimitReached, TooLarge) as error:
                _logger.warning("no room for an agent: %s", error, extra=about)
                continue
            except CallError:
                _logger.info("no agents: the call is over", extra=about)
                return
            if made is None:
                continue
            # The carrier waits for this: a service that does not answer is not asked again.
            reachable = reachable and self._start(made)
            if not reachable:
                _logger.error("agent not started", extra=about | {"relay_id": made.relay_id})

    def _start(self, relay: Relay) -> bool:
        try:
            self.starter.start(relay.identity)
        except Unavailable as error:
            _logger.warning("%s", error, extra={"relay_id": relay.relay_id})
            return False
        return True


def _of_call(spec: RelaySpec, command: CallCommand, since: int) -> RelaySpec:
    """The spec for one call: a transcription has the call from its beginning, and its own ids."""
    settings = spec.transcription
    if settings is None:
        return spec
    speakers = {
        track: each.model_copy(update={"transcript_id": _transcript_id(command, each.role)})
        for track, each in settings.speakers.items()
    }
    settings = settings.model_copy(update={"speakers": speakers})
    return spec.model_copy(update={"since": since, "transcription": settings})


def _transcript_id(command: CallCommand, role: Role) -> str:
    """The same for every relay of the call, whose lines go on in the same transcripts."""
    return str(uuid5(_NAMESPACE, f"{command.tenant_id}/{command.call_id}/{role}"))


def _relay_id(agent: Agent, stream_id: str) -> str:
    unique, dialect = uuid5(_NAMESPACE, f"{stream_id}/{agent.agent_id}"), agent.spec.dialect
    return str(unique) if dialect is None else DIALECTS[dialect].stream_id(unique)
