"""What tells of relays. Who wires it needs no layer of its own."""

from collections.abc import Mapping

from callstream.adapters import clock
from callstream.adapters.callbacks import callback_queue
from callstream.adapters.tables import DynamoTable, stream_store
from callstream.relay_news import RelayNews
from callstream.relays import RelayStore
from callstream.settings import TableSettings, load


def relay_news(environment: Mapping[str, str]) -> RelayNews:
    """What changes relays, and tells. Raises msgspec.ValidationError if a setting is missing."""
    return RelayNews(
        RelayStore(DynamoTable(load(TableSettings, environment).streams_table)),
        stream_store(environment),
        callback_queue(environment),
        clock.now,
    )
