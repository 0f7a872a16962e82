"""Builds what keeps the connections to virtual agents.

Each function raises msgspec.ValidationError if a setting is missing.
"""

from collections.abc import Mapping
from uuid import uuid4

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.secrets_manager import StoredAgentKeys
from callstream.dialogues.connection_keys import KeyedConnections
from callstream.dialogues.connections import ConnectionStore
from callstream.wiring.settings import AgentConnectionSettings, load


def keyed_connections(environment: Mapping[str, str]) -> KeyedConnections:
    """The connections of tenants, with their keys."""
    settings = load(AgentConnectionSettings, environment)
    return KeyedConnections(
        ConnectionStore(DynamoTable(settings.directory_table)),
        StoredAgentKeys(settings.dialogflow_secrets_prefix),
        lambda: uuid4().hex,
    )
