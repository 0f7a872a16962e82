"""What a function does with a warm-up event, `{"warm_up": {…}}`: nothing that lasts.

The top level of an event is written by what invokes the function: API Gateway, Kinesis, SQS or a
function of ours. Whatever a carrier, a client or a tenant sends stands below it. So nothing that
they send is taken for a warm-up.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

HOLD_SECONDS = 0.2
"""How long a warm-up keeps an environment busy that was warm before. Warm-ups of one request
arrive within this time, and each gets an environment of its own. An environment that one of them
has started was busy for long enough, and the call may wait for it."""


def _prepare_nothing(_about: Mapping[str, str]) -> None:
    """Only the start of the environment is wanted."""


def warmable[Answer](
    prepare: Callable[[Mapping[str, str]], object] = _prepare_nothing,
) -> Callable[
    [Callable[[dict[str, Any], Any], Answer]], Callable[[dict[str, Any], Any], Answer | None]
]:
    """Let a handler take warm-up events.

    Args:
        prepare: does what the first call would wait for, and changes nothing. It gets what the
            warm-up is about.
    """

    def wrap(
        handler: Callable[[dict[str, Any], Any], Answer],
    ) -> Callable[[dict[str, Any], Any], Answer | None]:
        is_new = True

        @wraps(handler)
        def handle(event: dict[str, Any], context: Any) -> Answer | None:  # noqa: ANN401
            nonlocal is_new
            was_new, is_new = is_new, False
            if "warm_up" not in event:
                return handler(event, context)
            # The call itself will meet the same fault, and report it.
            with suppress(Exception):
                prepare(event["warm_up"])
            if not was_new:
                time.sleep(HOLD_SECONDS)
            return None

        return handle

    return wrap
