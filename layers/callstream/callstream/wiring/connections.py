"""Builds what keeps the connections to virtual agents.

Each function raises msgspec.ValidationError if a setting is missing.
"""

from collections.abc import Mapping
from uuid import uuid4

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.secrets_manager import StoredAgentKeys
from callstream.dialogues.connection_keys import KeyedConnections
from callstream.dialogues.connections import ConnectionStore
from callstream.wiring.settings import AgentKeySettings, DirectorySettings, load


def connection_store(environment: Mapping[str, str]) -> ConnectionStore:
    """The connections of tenants, without their keys."""
    return ConnectionStore(DynamoTable(load(DirectorySettings, environment).directory_table))


def keyed_connections(environment: Mapping[str, str]) -> KeyedConnections:
    """The connections of tenants, with their keys."""
    settings = load(AgentKeySettings, environment)
    return KeyedConnections(
        connection_store(environment),
        StoredAgentKeys(settings.dialogflow_secrets_prefix),
        lambda: uuid4().hex,
    )
