"""Runs every minute: closes streams that have gone quiet, keeps one-way connections alive."""

import logging
import os
from datetime import timedelta
from typing import Any

from callstream.adapters import clock
from callstream.adapters.connections import ApiConnections
from callstream.adapters.sinks import publisher
from callstream.adapters.tables import stream_store
from callstream.settings import SweepSettings, load
from callstream.sweep import Sweep

_settings = load(SweepSettings, os.environ)
_sweep = Sweep(
    streams=stream_store(os.environ),
    connections=ApiConnections(_settings.connections_url),
    publish=publisher(os.environ).publish,
    keep_alive=timedelta(seconds=_settings.keep_alive_seconds) or None,
)
_logger = logging.getLogger("callstream")
# For the stream that is being seen to when the time is up, if nothing answers.
_RESERVE_MS = 15_000


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ANN401  # Lambda's
    """One round; how many streams needed what. If the table cannot be read, raise: a next comes."""

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > _RESERVE_MS)

    steps = {str(step): count for step, count in _sweep.run(clock.now(), has_time).items()}
    _logger.info("swept", extra=steps)
    return steps
