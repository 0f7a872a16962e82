"""Builds what warms functions for promised calls."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from callstream.adapters import clock
from callstream.adapters.aws.event_bus import EventBus
from callstream.errors import RateLimited, Unavailable
from callstream.tenants.directory import Limits
from callstream.tenants.rate_limits import RateLimiter
from callstream.warm_up import WarmUps
from callstream.wiring.settings import WarmUpSettings, load

CALLS_A_SECOND: Final = Limits(per_second=5, per_day=None)
"""For how many calls the whole deployment starts environments in a second. A burst of requests
starts functions of its own to mint URLs, each of which remembers nothing yet."""


def warm_ups(
    environment: Mapping[str, str], admit: Callable[[], bool] = lambda: True
) -> WarmUps | None:
    """What sends warm-ups; None if they are switched off."""
    source = load(WarmUpSettings, environment).warm_up_source
    return WarmUps(EventBus(source), time.monotonic, admit) if source else None


def has_room(limiter: RateLimiter) -> bool:
    """Whether the deployment may start environments for one more call in this second."""
    try:
        limiter.admit("warm_up", "all", CALLS_A_SECOND, clock.now())
    except (RateLimited, Unavailable):
        return False
    return True
