"""Builds what starts the streams of clients that stream their own audio."""

from collections.abc import Mapping

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.relays.client_streams import ClientStreams
from callstream.relays.store import RelayStore
from callstream.wiring.notifier import starter
from callstream.wiring.settings import TableSettings, load
from callstream.wiring.state import stream_store


def client_streams(environment: Mapping[str, str]) -> ClientStreams:
    """Starts clients' streams. Raises msgspec.ValidationError if a setting is missing."""
    table = DynamoTable(load(TableSettings, environment).streams_table)
    return ClientStreams(stream_store(environment), RelayStore(table), starter(environment))
