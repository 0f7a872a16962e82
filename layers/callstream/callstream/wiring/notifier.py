"""Builds the notifier and the starter of relays. Needs no layer of its own."""

from collections.abc import Mapping

from callstream.adapters import clock
from callstream.adapters.aws.callback_queues import SqsCallbackQueue
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.lambda_starter import LambdaStarter
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import RelayStore
from callstream.wiring.settings import CallbackQueueSettings, StarterSettings, TableSettings, load
from callstream.wiring.state import stream_store


def relay_notifier(environment: Mapping[str, str]) -> RelayNotifier:
    """The notifier of relays. Raises msgspec.ValidationError if a setting is missing."""
    return RelayNotifier(
        RelayStore(DynamoTable(load(TableSettings, environment).streams_table)),
        stream_store(environment),
        callback_queue(environment),
        clock.now,
    )


def callback_queue(environment: Mapping[str, str]) -> SqsCallbackQueue:
    """The queue of callbacks. Raises msgspec.ValidationError if a setting is missing."""
    return SqsCallbackQueue(load(CallbackQueueSettings, environment).callback_queue_url)


def starter(environment: Mapping[str, str]) -> LambdaStarter:
    """The starter of relays. Raises msgspec.ValidationError if a setting is missing."""
    return LambdaStarter(load(StarterSettings, environment).relay_function)
