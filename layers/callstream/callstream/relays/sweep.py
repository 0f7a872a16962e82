"""The sweep of relays: starts runs of relays that have no owner, and gives up hopeless relays.

A relay stays requested if Lambda could not be reached, or has lost the request for its first run. A
relay that streams has a heartbeat from its owner every other second; if the owner dies, the fan-out
notices sooner than the sweep does, but only as long as the call has records. So it is with a relay
that a command has stopped, until its owner has ended it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec.structs import astuple

from callstream.calls.lifecycle import RelayState
from callstream.identity import RelayIdentity
from callstream.ports import RelayStarter
from callstream.relays.model import Relay
from callstream.relays.notifier import RelayNotifier
from callstream.rounds import READ_AT_ONCE, Allowance, Rounds
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
    rounds: Rounds[RelayIdentity]

    def run(self, now: datetime, allowance: Allowance) -> dict[RelayStep, int]:
        """Take each relay's step; an error with one relay does not stop the round.

        Args:
            now: the present.
            allowance: the time for the round.

        Returns:
            How many relays needed each step.

        Raises:
            Unavailable: the relays cannot be read.
        """
        start = self.rounds.position()
        relays, read_to = self._read(start.read_to, allowance.share(1 / 2))
        steps = self.rounds.run(
            relays,
            lambda key: self._take_step(key, now),
            allowance,
            start=start,
            read_to=read_to,
        )
        return dict.fromkeys(RelayStep, 0) | steps

    def _read(
        self, after: tuple[str, ...], allowance: Allowance
    ) -> tuple[dict[str, dict[str, RelayIdentity]], tuple[str, ...]]:
        """Live relays by tenant, and where the reading has stopped."""
        relays: dict[str, dict[str, RelayIdentity]] = {}
        live = self.notifier.relays.live(RelayIdentity(*after) if after else None)
        for count, key in enumerate(live, 1):
            relays.setdefault(key.tenant_id, {})[key.relay_id] = key
            if count == READ_AT_ONCE or allowance.is_up:
                return relays, astuple(key)
        return relays, ()

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
