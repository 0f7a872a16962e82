"""Wires what delivers callbacks. It needs the layer that signs; who only queues them does not."""

import random
from collections.abc import Mapping

from callstream.adapters import clock
from callstream.adapters.callbacks import DeadCallbacks, callback_queue
from callstream.adapters.http_client import PinnedClient
from callstream.adapters.names import resolve
from callstream.adapters.secrets import PermanentSecret
from callstream.adapters.tables import DynamoTable
from callstream.callback_worker import CallbackWorker
from callstream.delivery import Backoff, Delivery
from callstream.directory import Directory
from callstream.retries import Retries
from callstream.settings import DeliverySettings, is_local, load


def callback_worker(environment: Mapping[str, str]) -> CallbackWorker:
    """What delivers callbacks. Raises msgspec.ValidationError if a setting is missing or wrong."""
    settings = load(DeliverySettings, environment)
    local = is_local(environment)
    delivery = Delivery(
        Directory(DynamoTable(settings.directory_table)),
        PermanentSecret(settings.callback_master_secret).value,
        PinnedClient(local=local),
        resolve,
        local=local,
    )
    return CallbackWorker(
        delivery,
        callback_queue(environment),
        DeadCallbacks(settings.callback_dead_letter_queue_url),
        Retries(DynamoTable(settings.streams_table)),
        Backoff(first=settings.callback_first_delay, longest=settings.callback_longest_delay),
        clock.now,
        random.random,
    )
