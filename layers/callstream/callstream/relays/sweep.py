"""The sweep of relays: starts runs of relays that have no owner, and gives up hopeless relays.

A relay stays requested if Lambda could not be reached, or has lost the request for its first run. A
relay that streams has a heartbeat from its owner every other second; if the owner dies, the fan-out
notices sooner than the sweep does, but only as long as the call has records. So it is with a relay
that a command has stopped, until its owner has ended it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from callstream.calls.lifecycle import RelayState
from callstream.identity import RelayIdentity
from callstream.ports import RelayStarter
from callstream.relays.model import Relay
from callstream.relays.notifier import RelayNotifier
from callstream.rounds import run_round
from callstream.times import from_milliseconds

START_PATIENCE: Final = timedelta(seconds=75)
"""How long a relay may stay requested. Lambda drops an asynchronous invocation after 60 seconds."""
HEARTBEAT_PATIENCE: Final = timedelta(seconds=20)
"""Without a heartbeat for so long, a run has died."""
HOPELESS: Final = timedelta(minutes=10)


class RelayStep(StrEnum):
    """The step that a relay needs."""

    LEAVE = "leave"
    START = "start"
    RESCUE = "rescue"
    GIVE_UP = "give up"


def next_step(relay: Relay, now: datetime) -> RelayStep:
    """The step that a relay needs that is not done."""
    if relay.state is RelayState.REQUESTED:
        since, patience, remedy = relay.created_at, START_PATIENCE, RelayStep.START
    else:
        heartbeat_at = relay.heartbeat_at or relay.updated_at
        since, patience, remedy = heartbeat_at, HEARTBEAT_PATIENCE, RelayStep.RESCUE
    waits = now - from_milliseconds(since)
    if waits < patience:
        return RelayStep.LEAVE
    return remedy if waits < HOPELESS else RelayStep.GIVE_UP


@dataclass(frozen=True, slots=True)
class RelaySweep:
    """One round over all live relays."""

    notifier: RelayNotifier
    starter: RelayStarter

    def run(self, now: datetime, has_time: Callable[[], bool]) -> dict[RelayStep, int]:
        """Take each relay's step; an error with one relay does not stop the round.

        Args:
            now: the present.
            has_time: whether there is time for one more relay.

        Returns:
            How many relays needed each step.

        Raises:
            Unavailable: the relays cannot be read.
        """
        keys = {identity.relay_id: identity for identity in self.notifier.relays.live()}
        steps = run_round("relay", keys, lambda key: self._take_step(key, now), now, has_time)
        return dict.fromkeys(RelayStep, 0) | steps

    def _take_step(self, key: RelayIdentity, now: datetime) -> RelayStep | None:
        relay = self.notifier.relays.get(key.tenant_id, key.call_id, key.relay_id)
        if relay is None or relay.is_done:
            return None
        step = next_step(relay, now)
        match step:
            case RelayStep.START:
                self.starter.start(relay.identity)
            case RelayStep.RESCUE if relay.owner_run_id is not None:
                self.starter.rescue(relay.identity, relay.owner_run_id)
            case RelayStep.GIVE_UP:
                was_started = relay.state is not RelayState.REQUESTED
                self.notifier.failed(relay, "lost" if was_started else "not_started")
        return step
