"""Builds the store of streams and calls."""

from collections.abc import Mapping
from datetime import timedelta

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.store import StreamStore
from callstream.wiring.settings import StreamsSettings, load


def stream_store(environment: Mapping[str, str]) -> StreamStore:
    """The store of streams and calls. Raises msgspec.ValidationError if a setting is missing."""
    settings = load(StreamsSettings, environment)
    return StreamStore(DynamoTable(settings.streams_table), timedelta(days=settings.retention_days))
