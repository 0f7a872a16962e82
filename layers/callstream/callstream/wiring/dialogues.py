"""Builds the runs of dialogues with virtual agents."""

import time
from collections.abc import Mapping

from callstream.adapters.aws.record_sinks import KinesisSink
from callstream.frames.record_copies import RecordCopies
from callstream.relays.invocation import RelayInvocation
from callstream.relays.run import RelayRun
from callstream.wiring.relay_runs import RelayRuns


class DialogueRunFactory:
    """Makes the runs of this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._runs = RelayRuns(environment)
        frames_stream = self._runs.settings.frames_stream
        self.copies = RecordCopies("answers", lambda: KinesisSink(frames_stream), time.monotonic)
        """Puts what relays have posted on the frames stream."""

    def make(self, invocation: RelayInvocation, _seconds: float) -> RelayRun | None:
        """Make the run that an invocation asks for; None if the relay does not wait for one.

        Args:
            invocation: which relay, and how the run starts.
            seconds: how long the run may take.
        """
        relay = self._runs.waiting(invocation)
        if relay is not None and relay.sink == "dialogflow":
            self._runs.notifier.failed(relay, "no_virtual_agent")
        return None
