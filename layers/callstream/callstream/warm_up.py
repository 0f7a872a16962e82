"""Warm-up: the functions that a call needs are started before the call comes.

A media URL is the promise of a call: the carrier connects within five minutes, mostly at once. The
function that mints the URL puts events on EventBridge's bus, and rules of template.yaml bring each
event to the functions of one part of the call's way.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from callstream.errors import Unavailable
from callstream.identity import SinkKind

_logger = logging.getLogger(__name__)

Part = Literal["connect", "event", "frame", "relay"]
"""A part of a call's way, to which rules bring warm-ups: the handshake's two functions, the one of
messages, the one of frames, and the functions that a relay needs."""

KEPT_SECONDS: Final = 120.0
"""How long what was warmed counts as warm. Lambda keeps idle environments for longer, as a rule for
more than five minutes, and a media URL may be used five minutes after it was minted."""
FRAME_ENVIRONMENTS: Final = 7
"""How many environments of the function that takes audio are warmed. With the rest of a call's
warm-ups that makes 10, the most events that EventBridge takes in one request."""

_MOST_REMEMBERED: Final = 256


class WarmUp(NamedTuple):
    """One event: its rules start one environment of each function of a part.

    `about` says which call is promised, if the functions need to know.
    """

    part: Part
    about: Mapping[str, str] = {}


class WarmUpBus(Protocol):
    """What brings warm-ups to functions."""

    def put(self, warm_ups: Sequence[WarmUp]) -> None:
        """Send up to 10 warm-ups. Returns before they arrive. Raises `Unavailable`."""


class WarmUps:
    """Sends warm-ups for what is promised, unless this process has sent them a short while ago.

    No method raises, since a call works without warm-ups too. A failure is logged, and not tried
    again before the warm-up would have been repeated anyway.

    Args:
        bus: brings warm-ups to functions.
        clock: monotonic time in seconds.
        admit: whether the whole deployment has room for one more call's warm-ups now. Asked before
            many environments are started.
    """

    def __init__(
        self,
        bus: WarmUpBus,
        clock: Callable[[], float],
        admit: Callable[[], bool] = lambda: True,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._admit = admit
        self._sent_at: OrderedDict[object, float] = OrderedDict()

    def expect_call(self, tenant_id: str, route: str, inbox: str) -> None:
        """A carrier may connect soon; the function of messages looks which agents the call has."""
        warm_ups: list[WarmUp] = []
        if self._is_new("carrier") and self._admit():
            warm_ups += [WarmUp("connect"), WarmUp("event")]
            warm_ups += [WarmUp("frame")] * FRAME_ENVIRONMENTS
        if self._is_new((tenant_id, route, inbox)):
            about = {"tenant_id": tenant_id, "route": route, "inbox": inbox}
            warm_ups.append(WarmUp("event", about))
        self._send(warm_ups)

    def expect_client(self, sink: SinkKind) -> None:
        """A client may connect soon: its audio goes to the function of messages, and to a sink."""
        warm_ups: list[WarmUp] = []
        if self._is_new("client") and self._admit():
            warm_ups += [WarmUp("connect")]
            warm_ups += [WarmUp("event")] * FRAME_ENVIRONMENTS
        self._send(warm_ups + self._relays([sink]))

    def expect_relays(self, sinks: Iterable[SinkKind]) -> None:
        """Relays to these sinks, at most 10, will start at the same time, when a call comes."""
        self._send(self._relays(sinks))

    def _relays(self, sinks: Iterable[SinkKind]) -> list[WarmUp]:
        return [
            WarmUp("relay", {"sink": sink})
            for sink, count in Counter(sinks).items()
            for number in range(count)
            if self._is_new((sink, number))
        ]

    def _is_new(self, key: object) -> bool:
        """Whether a warm-up is due; from now on it is not."""
        now, before = self._clock(), self._sent_at.get(key)
        if before is not None and now - before < KEPT_SECONDS:
            return False
        self._sent_at[key] = now
        self._sent_at.move_to_end(key)
        if len(self._sent_at) > _MOST_REMEMBERED:
            self._sent_at.popitem(last=False)
        return True

    def _send(self, warm_ups: Sequence[WarmUp]) -> None:
        if not warm_ups:
            return
        try:
            self._bus.put(warm_ups)
        except Unavailable as error:
            _logger.warning("warm-up not sent: %s", error)
