"""Wires what has agents join calls, from the environment."""

from collections.abc import Mapping

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.relays.agents import Agents, AgentStore
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Directory
from callstream.wiring.notifier import starter
from callstream.wiring.settings import AgentSettings, load


def agents(environment: Mapping[str, str]) -> Agents:
    """The agents of calls. Raises msgspec.ValidationError if a setting is missing."""
    settings = load(AgentSettings, environment)
    table = DynamoTable(settings.directory_table)
    return Agents(
        store=AgentStore(table),
        directory=Directory(table),
        relays=RelayStore(DynamoTable(settings.streams_table)),
        starter=starter(environment),
    )
