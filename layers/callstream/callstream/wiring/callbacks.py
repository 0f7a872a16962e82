"""Builds the worker that delivers callbacks. It needs the layer of the library that signs."""

import random
from collections.abc import Mapping

from callstream.adapters import clock
from callstream.adapters.aws.callback_queues import DeadCallbacks
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.secrets_manager import PermanentSecret
from callstream.adapters.network.dns import resolve
from callstream.adapters.network.https import PinnedClient
from callstream.callbacks.delivery import Backoff, Delivery
from callstream.callbacks.pending import PendingCallbacks
from callstream.callbacks.shares import Shares
from callstream.callbacks.worker import CallbackWorker
from callstream.tenants.directory import Directory
from callstream.wiring.notifier import callback_queue
from callstream.wiring.settings import DeliverySettings, is_local, load


def callback_worker(environment: Mapping[str, str]) -> CallbackWorker:
    """The worker that delivers callbacks.

    Raises:
        msgspec.ValidationError: a setting is missing or wrong.
    """
    settings = load(DeliverySettings, environment)
    local = is_local(environment)
    states = DynamoTable(settings.streams_table)
    shares = Shares(states)
    delivery = Delivery(
        Directory(DynamoTable(settings.directory_table)),
        PermanentSecret(settings.callback_master_secret).value,
        PinnedClient(local=local),
        resolve,
        shares,
        local=local,
    )
    return CallbackWorker(
        delivery,
        callback_queue(environment),
        DeadCallbacks(settings.callback_dead_letter_queue_url),
        PendingCallbacks(states),
        shares,
        Backoff(first=settings.callback_first_delay, longest=settings.callback_longest_delay),
        clock.now,
        random.random,
    )
