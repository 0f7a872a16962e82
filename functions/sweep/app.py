"""Runs every minute: closes dead streams, keeps one-way connections alive, and restarts relays."""

import logging
import os
from datetime import timedelta
from typing import Any

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.calls.sweep import StreamSweep
from callstream.relays.sweep import RelaySweep
from callstream.wiring.media import publisher
from callstream.wiring.notifier import relay_notifier, starter
from callstream.wiring.settings import SweepSettings, load
from callstream.wiring.state import stream_store

_settings = load(SweepSettings, os.environ)
_stream_sweep = StreamSweep(
    streams=stream_store(os.environ),
    connections=ApiConnections(_settings.connections_url),
    publish=publisher(os.environ).publish,
    keep_alive=timedelta(seconds=_settings.keep_alive_seconds) or None,
)
_relay_sweep = RelaySweep(relay_notifier(os.environ), starter(os.environ))
_logger = logging.getLogger("callstream")
# For the last stream that is begun, if nothing answers.
_RESERVE_MS = 15_000


def handler(_event: dict[str, Any], context: Any) -> dict[str, dict[str, int]]:  # noqa: ANN401
    """Run one round. Returns how many streams and relays needed what.

    Raises:
        Unavailable: the table cannot be read. The next round comes in a minute.
    """

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > _RESERVE_MS)

    now = clock.now()
    # Relays first: they are fewer, and their consumers wait.
    relays = _relay_sweep.run(now, has_time)
    streams = _stream_sweep.run(now, has_time)
    steps = {
        "relays": {str(step): count for step, count in relays.items()},
        "streams": {str(step): count for step, count in streams.items()},
    }
    _logger.info("swept", extra=steps)
    return steps
