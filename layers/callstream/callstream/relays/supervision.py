"""The supervision of a run that owns its relay: its tasks, its looks at the lease, and its end."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Final, Never

from callstream.errors import Unavailable
from callstream.relays.checkpoint import Checkpoint, RecentCheckpoints
from callstream.relays.endings import Ending, Outcome
from callstream.relays.intake import Intake
from callstream.relays.ports import Lease, LeaseStatus
from callstream.relays.sinks.sink import Rest, Sink
from callstream.relays.timings import RelayTimings

_logger = logging.getLogger(__name__)

_ENDINGS: Final = {
    LeaseStatus.OWNER: None,
    LeaseStatus.STOPPED: Ending.COMMAND,
    LeaseStatus.REPLACED: Ending.REPLACEMENT,
}


class Phase(Enum):
    """Whether a run has called a successor."""

    RUNNING = "running"
    HANDING_OVER = "handing over"


async def ending_by(lease: Lease) -> Ending | None:
    """How a run ends because of its lease; None if the run still owns the relay.

    Raises:
        Unavailable: the lease cannot be read.
    """
    return _ENDINGS[await asyncio.to_thread(lease.status)]


class Supervisor:
    """Supervises one run, while it owns the relay.

    Args:
        lease: the ownership of the relay.
        intake: brings the records.
        sink: takes the events.
        clock: time in seconds, the same for all runs of a relay.
        ends_at: when the run is killed.
        timings: how long to wait.
        dropped_before: how many frames the runs before have dropped.
        left: the checkpoint that the run goes on from; None for its present place.
    """

    def __init__(
        self,
        lease: Lease,
        intake: Intake,
        sink: Sink,
        *,
        clock: Callable[[], float],
        ends_at: float,
        timings: RelayTimings,
        dropped_before: int,
        left: Checkpoint | None,
    ) -> None:
        self._lease = lease
        self._intake = intake
        self._sink = sink
        self._clock = clock
        self._timings = timings
        self._dropped_before = dropped_before
        self._phase = Phase.RUNNING
        self._hands_over_at = ends_at - timings.hand_over
        self._calls_successor_at = self._hands_over_at
        self._stops_at = ends_at - timings.finish_patience
        self._written = left or self._checkpoint()
        self._recent = RecentCheckpoints(self._written, sink.is_settled)
        self._is_stopped = False

    @property
    def first_checkpoint(self) -> bytes:
        """Where the run begins."""
        return self._written.encode()

    async def run(self, *, looks_first: bool = False) -> Outcome:
        """Give the sink the missed records, then new ones, until something ends the run.

        With `looks_first`, the run first looks whether the relay is over. If a command has stopped
        it, the sink still does its rest.

        Raises:
            Unavailable: the relay could not be handed over, its rescue could not be started, or the
                first look failed.
        """
        if looks_first and (ending := await ending_by(self._lease)):
            self._is_stopped = ending is Ending.COMMAND
            match self._sink.rest if self._is_stopped else Rest.NOTHING:
                case Rest.NOTHING:
                    return Outcome(ending)
                case Rest.LAST_MESSAGE:
                    return await self._leave(Outcome(ending))
                case Rest.MISSED:
                    pass
        # The sink comes first: it opens with messages of its own.
        works = self._sink.run(), self._listen(), self._watch()
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            outcomes = [task.result() for task in done]
            outcome = min(outcomes, key=lambda outcome: outcome.ending.precedence)
            await self._sink.flush(outcome.ending)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        by_consumer = outcome.ending in {Ending.CONSUMER, Ending.FAILURE}
        if by_consumer and self._phase is Phase.HANDING_OVER:
            # Some consumers close the old connection once the successor connects.
            outcome = Outcome(Ending.RESCUE)
        return await self._leave(outcome)

    async def _leave(self, outcome: Outcome) -> Outcome:
        """Send the last messages, leave the rest to the next run, and return the outcome."""
        ending, lease, has_sent_all = outcome.ending, self._lease, False
        if ending.finishes_sink:
            has_sent_all = await self._finish(is_final=ending.is_final)
        if ending is Ending.SUCCESSOR:
            checkpoint = self._recent.add(self._checkpoint())
            handed_over = await asyncio.to_thread(lease.hand_over, checkpoint.encode())
            if not handed_over and await ending_by(self._lease) is Ending.COMMAND:
                # A command came between, and no other run is going to end the relay.
                return await self._leave(Outcome(Ending.COMMAND))
        elif ending.needs_rescue:
            # The next run sends the rest, from the last checkpoint on.
            await self._renew(has_new_place=has_sent_all)
            await asyncio.to_thread(lease.call_rescue)
        return outcome

    async def _finish(self, *, is_final: bool) -> bool:
        """Let the sink finish: no other run may take over meanwhile."""
        beating = asyncio.create_task(self._beat())
        try:
            return await self._sink.finish(is_final=is_final)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self) -> Never:
        while True:
            await asyncio.sleep(self._timings.look * self._timings.looks_per_checkpoint)
            with suppress(Unavailable):
                await asyncio.to_thread(self._lease.renew, None, self._dropped)

    async def _listen(self) -> Outcome:
        try:
            await self._intake.listen()
        except Unavailable:
            return Outcome(Ending.RESCUE)
        return Outcome(Ending.COMMAND if self._is_stopped else Ending.CALL)

    async def _watch(self) -> Outcome:
        """Look every second whether this run must go on, and write checkpoints."""
        looks = 0
        while True:
            await asyncio.sleep(self._timings.look)
            looks += 1
            try:
                if ending := await self._look():
                    return Outcome(ending)
                if looks % self._timings.looks_per_checkpoint == 0:
                    await self._renew()
            except Unavailable as error:
                _logger.warning("a look is left out: %s", error)
            if self._clock() >= self._stops_at:
                return Outcome(Ending.OUT_OF_TIME)

    async def _look(self) -> Ending | None:
        now = self._clock()
        if ending := await ending_by(self._lease):
            self._is_stopped = ending is Ending.COMMAND
            catches_up = self._sink.rest is Rest.MISSED and not self._intake.has_caught_up
            return None if self._is_stopped and catches_up else ending
        if not await self._intake.refresh():
            return Ending.CALL
        if now < self._hands_over_at:
            return None
        if await asyncio.to_thread(self._lease.successor_is_ready):
            return Ending.SUCCESSOR
        if now >= self._calls_successor_at:
            self._phase = Phase.HANDING_OVER
            self._calls_successor_at = now + self._timings.successor_patience
            await asyncio.to_thread(self._lease.call_successor)
        return None

    async def _renew(self, *, has_new_place: bool = True) -> None:
        """Write a heartbeat, with the newest settled checkpoint unless it has been written."""
        settled = self._recent.add(self._checkpoint()) if has_new_place else self._written
        encoded = None if settled is self._written else settled.encode()
        await asyncio.to_thread(self._lease.renew, encoded, self._dropped)
        self._written = settled

    def _checkpoint(self) -> Checkpoint:
        """Where the run is now."""
        streams, sources = self._intake.merger.snapshot()
        at = self._intake.complete_until
        return Checkpoint(streams, sources, self._sink.snapshot(), at, self._dropped)

    @property
    def _dropped(self) -> int:
        return self._dropped_before + self._sink.dropped
