"""Runs every minute: closes dead streams, keeps one-way connections alive, and restarts relays."""

import logging
import os
import time
from datetime import timedelta
from functools import partial
from typing import Any

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.placement_sweep import PlacementSweep
from callstream.calls.sweep import StreamSweep
from callstream.relays.sweep import RelaySweep
from callstream.relays.usage_sweep import UsageSweep
from callstream.rounds import Allowance, Round, Rounds, run_kinds
from callstream.wiring.media import publisher
from callstream.wiring.notifier import relay_notifier, starter
from callstream.wiring.settings import SweepSettings, TableSettings, load
from callstream.wiring.state import stream_store

_settings = load(SweepSettings, os.environ)
_table = DynamoTable(load(TableSettings, os.environ).streams_table)
_streams = stream_store(os.environ)
_stream_sweep = StreamSweep(
    streams=_streams,
    connections=ApiConnections(_settings.connections_url),
    publish=publisher(os.environ).publish,
    keep_alive=timedelta(seconds=_settings.keep_alive_seconds) or None,
    rounds=Rounds("stream", _table),
)
_relay_sweep = RelaySweep(relay_notifier(os.environ), starter(os.environ), Rounds("relay", _table))
_usage_sweep = UsageSweep(_table)
_placement_sweep = PlacementSweep(_table, _streams, time.sleep)
_logger = logging.getLogger("callstream")
# For the last stream that is begun, if nothing answers.
_RESERVE_SECONDS = 15


def handler(_event: dict[str, Any], context: Any) -> dict[str, dict[str, int]]:  # noqa: ANN401
    """Run one round. Returns how many relays, streams and counts needed what.

    Raises:
        Unavailable: the table cannot be read. The next round comes in a minute.
    """

    def left() -> float:
        return float(context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS)

    now = clock.now()
    # Consumers of relays wait, so relays come first.
    kinds: dict[str, Round] = {
        "relays": partial(_relay_sweep.run, now),
        "streams": partial(_stream_sweep.run, now),
        "placement": _placement_sweep.run,
    }
    if _usage_sweep.is_due(now):
        kinds["counts"] = partial(_usage_sweep.run, now)
    steps = run_kinds(kinds, Allowance(left))
    _logger.info("swept", extra=steps)
    return steps
