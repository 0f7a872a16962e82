"""A call and its fork as a good run sees them; tests break them."""

from collections.abc import Iterable
from dataclasses import replace

from msgspec.structs import replace as changed

from callstream.dialects.events import Media
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Carrier
from callstream_cli.carrier.session import CallReport
from callstream_cli.verify.calls import Placed, noise
from callstream_cli.verify.landings import Landed

SENT_AT = 1_767_268_800.0
SENT_MS = round(SENT_AT * 1000)
FRAMES = 10
JOINED = 4
"""The frame with which the fork begins."""
FORK_MS = 70


class Scene:
    """A call of two tracks, 20 ms a frame, and the records that it has made."""

    def __init__(self, carrier: CarrierName = "twilio") -> None:
        plan = CallPlan(noise(("inbound", "outbound"), FRAMES / 50), carrier=carrier, seed=1)
        simulated = Carrier(plan)
        report = CallReport(identity=simulated.identity)
        self.events: list[RecordEvent] = []
        for message in simulated.messages():
            report.count(message, SENT_AT + message.at)
            self.events.append(message.event)
        self.events.append(Disconnected(1000, ""))
        self.placed = Placed(carrier, 30.0, report, 80.0)
        self.dialect: str = carrier

    @property
    def frames(self) -> list[Media]:
        return [event for event in self.events if isinstance(event, Media)]

    def landed(self, events: Iterable[RecordEvent] | None = None, later: int = 0) -> Landed:
        """The records: 2 ms after sending at API Gateway, 5 ms later on Kinesis."""
        landed = Landed("s1")
        for event in self.events if events is None else events:
            at = SENT_MS + later
            if isinstance(event, Media):
                at += event.timestamp
            record = Record("s1", "t", "genagent", self.dialect, at + 2, event)
            landed.add(record, at + 7)
        return landed

    def forked(self) -> list[RecordEvent]:
        """The events of a fork that joined in the middle: numbered anew, in its own time."""
        kept = [
            event for event in self.events if not isinstance(event, Media) or event.chunk > JOINED
        ]
        numbered: list[RecordEvent] = []
        number = 0
        for event in kept:
            if hasattr(event, "sequence"):
                number += 1
                numbered.append(changed(event, sequence=number))
            else:
                numbered.append(event)
        return numbered

    def of_report(self, **changes: object) -> Placed:
        """The call with another report."""
        self.placed.report = replace(self.placed.report, **changes)  # type: ignore[arg-type]
        return self.placed
