"""One run of a relay: how it starts, and becomes the owner of the relay. No AWS and no sockets.

A run connects its sink, subscribes to the call's streams (`callstream.relays.intake`), and looks
every second whether it must go on (`callstream.relays.supervision`). Every relay ends once: in the
Streams table, at the other side of the sink, and with one callback.

A run's time is limited. Well before the limit the run calls a successor, which connects a sink of
its own, subscribes, and reports that it is ready: from then on both runs get all records. The first
run then stops, and hands over a checkpoint: its place in each stream. The successor drops the
records before that place, and goes on. So a consumer sees one more connection, and each frame once.

A run may also die, or lose its feed. Therefore it writes a checkpoint every other second. The
fan-out or the sweep starts another run, which takes over: that run goes on from the checkpoint, and
reads the later records from Kinesis. So no frame is lost, but the frames of the last two seconds
may be sent again, with the numbers that they had.

A first run may begin in the past: then it reads the records since that time from Kinesis, too.

The three kinds of runs start by one sequence of steps; `_STEPS` has the steps of each kind.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from callstream.calls.model import StartedStream
from callstream.relays.checkpoint import Checkpoint
from callstream.relays.endings import Ending, Outcome
from callstream.relays.intake import Intake
from callstream.relays.invocation import RunKind
from callstream.relays.ports import CallSource, DialFailed, Lease
from callstream.relays.sinks.sink import Sink
from callstream.relays.supervision import Supervisor
from callstream.relays.timings import RelayTimings

_logger = logging.getLogger(__name__)


class _Steps(NamedTuple):
    """How a run of one kind starts."""

    takes_over: bool = False
    """First the run replaces the run before as the owner, and gets the checkpoint of that run."""
    accepts: bool = False
    """The run waits until the run before hands over its checkpoint. Until then the relay goes on
    without this run, even if this run fails."""
    connects: bool = False
    """The run becomes the owner when its sink is open."""
    looks_again: bool = False
    """The steps before may take so long that another run has replaced this one, so the run checks
    again."""


_STEPS: Final = {
    RunKind.FIRST: _Steps(connects=True),
    RunKind.SUCCESSOR: _Steps(accepts=True),
    RunKind.RESCUE: _Steps(takes_over=True, looks_again=True),
}


class RelayRun:
    """One run of a relay.

    Args:
        lease: the ownership of the relay.
        source: the streams of the relay's call.
        sink: where the audio goes.
        clock: time in seconds, the same for all runs of a relay.
        seconds: how long this run may take.
        timings: how long to wait.
        since: a first run begins with what was received then, by `clock`, or at the beginning of
            the call if that is later; None: with what comes.
    """

    def __init__(
        self,
        lease: Lease,
        source: CallSource,
        sink: Sink,
        *,
        clock: Callable[[], float],
        seconds: float,
        timings: RelayTimings,
        since: float | None = None,
    ) -> None:
        self._lease = lease
        self._source = source
        self._sink = sink
        self._clock = clock
        self._timings = timings
        self._since = since
        self._ends_at = clock() + seconds
        # Frames that the runs before have dropped.
        self._dropped_before = 0

    async def run(self, kind: RunKind) -> Outcome | None:
        """Work until the run is over; None if this run never became the owner of the relay.

        Raises:
            Unavailable: a service did not answer at a step that must not be left out. The sweep
                starts another run if no other one goes on.
        """
        async with AsyncExitStack() as stack:
            outcome = await self._start(_STEPS[kind], stack)
            if outcome is not None and outcome.ending.is_final:
                dropped = self._dropped_before + self._sink.dropped
                await asyncio.to_thread(self._lease.finish, outcome.reason, dropped)
            return outcome

    async def _start(self, steps: _Steps, stack: AsyncExitStack) -> Outcome | None:
        """Connect the sink and the feed, which `stack` closes in the end, and go on."""
        left: Checkpoint | None = None
        if steps.takes_over and (left := await self._take_over()) is None:
            return None
        if not (streams := await self._streams(left)):
            return None if steps.accepts else Outcome(Ending.CALL)
        try:
            await self._sink.connect()
        except DialFailed as failed:
            if steps.accepts:
                _logger.warning("the successor cannot reach the consumer: %s", failed.reason)
                return None
            return Outcome(Ending.FAILURE, failed.reason)
        stack.push_async_callback(self._sink.close)
        feed = await self._source.open_feed()
        stack.push_async_callback(feed.close)
        # Before the feed, which takes its time: a run that was replaced sends nothing more.
        stack.push_async_callback(self._sink.close)
        intake = Intake(self._source, feed, self._sink, self._clock, self._timings)
        await intake.follow(streams)
        return await self._open(steps, intake, streams, left)

    async def _open(
        self,
        steps: _Steps,
        intake: Intake,
        streams: Sequence[StartedStream],
        left: Checkpoint | None,
    ) -> Outcome | None:
        if steps.accepts:
            await intake.propagated()
        listens_since = self._clock()
        if steps.accepts:
            await asyncio.to_thread(self._lease.report_ready)
            if (left := await self._accept_hand_over()) is None:
                return None
            if not (streams := await self._streams(left)):
                return Outcome(Ending.CALL)
        if left is not None:
            intake.resume(left)
        await self._sink.open(streams, None if left is None else left.sink, intake)
        if steps.connects and self._since is not None:
            left = self._beginning(self._since, streams)
            began_ms = self._since * 1000
            whole = (each.stream_id for each in streams if each.connected_at >= began_ms)
            intake.merger.expect_whole(whole)
        # A run that hands over may leave a place from before this run got all records.
        if left is not None and (not steps.accepts or left.at < listens_since):
            intake.expect_missed(left, is_first=steps.connects)
        supervisor = Supervisor(
            self._lease,
            intake,
            self._sink,
            clock=self._clock,
            ends_at=self._ends_at,
            timings=self._timings,
            dropped_before=self._dropped_before,
            left=left,
        )
        if steps.connects:
            checkpoint = supervisor.first_checkpoint
            if not await asyncio.to_thread(self._lease.acquire, checkpoint):
                return None
        return await supervisor.run(looks_first=steps.looks_again)

    def _beginning(self, since: float, streams: Sequence[StartedStream]) -> Checkpoint:
        """The place of a first run that begins in the past."""
        began = min(stream.connected_at for stream in streams) / 1000
        return Checkpoint({}, {}, self._sink.snapshot(), max(began, since))

    async def _take_over(self) -> Checkpoint | None:
        return self._resumed(await asyncio.to_thread(self._lease.take_over))

    async def _accept_hand_over(self) -> Checkpoint | None:
        timings = self._timings
        for _ in range(round(timings.hand_over / timings.accept_poll)):
            left = await asyncio.to_thread(self._lease.accept_hand_over)
            if left is not None:
                return self._resumed(left)
            await asyncio.sleep(timings.accept_poll)
        return None

    def _resumed(self, left: bytes | None) -> Checkpoint | None:
        if left is None:
            return None
        checkpoint = Checkpoint.decode(left)
        self._dropped_before = checkpoint.dropped
        return checkpoint

    async def _streams(self, left: Checkpoint | None) -> Sequence[StartedStream]:
        """The first streams to follow, with those that ended after the checkpoint."""
        since = self._since if left is None else left.since(self._timings)
        if since is None:
            return await asyncio.to_thread(self._source.open_streams)
        return await asyncio.to_thread(self._source.streams_since, since)
