"""The sweep of relays: starts anew what nobody carries, and gives up what cannot be started.

A relay waits for its first run if Lambda was not reached, or has lost the request. One that streams
is told alive every other second by its run; who fans out notices sooner if that has died, but only
as long as the call says something.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from callstream.calls.lifecycle import RelayState
from callstream.errors import CallstreamError
from callstream.ports import RelayStarter
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import Relay

WAITS: Final = timedelta(seconds=75)
"""After so long Lambda will not begin what it was asked for any more: it has 60 seconds."""
UNSEEN: Final = timedelta(seconds=20)
"""After so long without a sign of life a run has died."""
HOPELESS: Final = timedelta(minutes=10)

_logger = logging.getLogger(__name__)


class RelayStep(StrEnum):
    """What to do about a relay."""

    LEAVE = "leave"
    START = "start"
    RESCUE = "rescue"
    GIVE_UP = "give up"


def next_step(relay: Relay, now: datetime) -> RelayStep:
    """What a relay needs that is not over."""
    if relay.state is RelayState.STREAMING:
        since, patience, remedy = relay.seen_at, UNSEEN, RelayStep.RESCUE
    else:
        since, patience, remedy = relay.created_at, WAITS, RelayStep.START
    waits = now - datetime.fromtimestamp((since or relay.updated_at) / 1000, UTC)
    if waits < patience:
        return RelayStep.LEAVE
    return remedy if waits < HOPELESS else RelayStep.GIVE_UP


@dataclass(frozen=True, slots=True)
class RelaySweep:
    """One round over the relays that are not over."""

    news: RelayNotifier
    starter: RelayStarter

    def run(self, now: datetime, has_time: Callable[[], bool]) -> dict[RelayStep, int]:
        """Do what each relay needs; how many needed what. One's trouble stops no other.

        Args:
            now: the present.
            has_time: whether there is time for one more relay.

        Raises:
            Unavailable: the relays cannot be read.
        """
        steps = dict.fromkeys(RelayStep, 0)
        relays = self.news.relays
        for identity in relays.live():
            if not has_time():
                _logger.warning("no time for all relays")
                break
            try:
                relay = relays.get(identity.tenant_id, identity.call_id, identity.relay_id)
                if relay is not None and relay.is_active:
                    steps[self._see_to(relay, now)] += 1
            except CallstreamError as error:
                told = {"relay_id": identity.relay_id}
                _logger.warning("relay not swept: %s", error, extra=told)
        return steps

    def _see_to(self, relay: Relay, now: datetime) -> RelayStep:
        step = next_step(relay, now)
        match step:
            case RelayStep.START:
                self.starter.start(relay.identity)
            case RelayStep.RESCUE if relay.run is not None:
                self.starter.rescue(relay.identity, relay.run)
            case RelayStep.GIVE_UP:
                started = relay.state is RelayState.STREAMING
                self.news.failed(relay, "lost" if started else "not_started")
        return step
