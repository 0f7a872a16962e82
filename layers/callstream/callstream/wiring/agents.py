"""Builds the dispatcher of agents from the environment."""

from collections.abc import Mapping

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.relays.agent_claims import AgentClaims
from callstream.relays.agents import AgentDispatcher, AgentStore
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Directory
from callstream.wiring.notifier import starter
from callstream.wiring.settings import AgentSettings, load


def agent_dispatcher(environment: Mapping[str, str]) -> AgentDispatcher:
    """The dispatcher of agents. Raises msgspec.ValidationError if a setting is missing."""
    settings = load(AgentSettings, environment)
    directory, streams = DynamoTable(settings.directory_table), DynamoTable(settings.streams_table)
    return AgentDispatcher(
        store=AgentStore(directory),
        directory=Directory(directory),
        claims=AgentClaims(streams, RelayStore(streams)),
        starter=starter(environment),
    )
