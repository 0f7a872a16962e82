"""Builds what carries out commands to let virtual agents talk on calls."""

from collections.abc import Mapping

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.dialogues.connections import ConnectionStore
from callstream.relays.virtual_agents import VirtualAgents
from callstream.wiring.settings import DialogflowSettings, EndpointSettings, load
from callstream.wiring.state import stream_store


def virtual_agents(environment: Mapping[str, str]) -> VirtualAgents:
    """The virtual agents of tenants. Raises msgspec.ValidationError if a setting is missing."""
    table = DynamoTable(load(EndpointSettings, environment).directory_table)
    is_deployed = load(DialogflowSettings, environment).dialogflow != "none"
    connections = ConnectionStore(table) if is_deployed else None
    return VirtualAgents(stream_store(environment), connections)
