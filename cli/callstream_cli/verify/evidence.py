"""What a run has seen and measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from callstream.console.views import StreamView
from callstream_cli.verify.findings import Finding
from callstream_cli.verify.hops import Hops
from callstream_cli.verify.metrics import Metrics
from callstream_cli.verify.order import Order


@dataclass(frozen=True, slots=True)
class Options:
    """What is done beside the usual checks."""

    provoke: bool = False
    """One error on purpose: an alarm must fire, and nobody else may be refused."""
    stay_minutes: float = 0.0
    """How long a nearly silent connection stays open."""
    tracks: int = 0
    """How many further calls of one track are made at the same time."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the gateway learned of the end of a connection.

    `closed` is whether the stream has ended; `seconds` is the time from the carrier's `stop` to its
    end.
    """

    closed: bool
    seconds: float | None

    @classmethod
    def of(cls, stream: StreamView) -> Self:
        """The end of a stream."""
        if stream.closed_at is None:
            return cls(closed=False, seconds=None)
        since = stream.stopped_at
        waited = (stream.closed_at - since).total_seconds() if since else None
        return cls(closed=True, seconds=waited)


@dataclass(slots=True)
class Evidence:
    """A run so far."""

    is_local: bool
    parameters: Mapping[str, str]
    options: Options
    began_at: datetime
    findings: list[Finding] = field(default_factory=list)
    hops: Hops = field(default_factory=Hops)
    first_orders: list[Order] = field(default_factory=list)
    """Of the first call."""
    orders: list[Order] = field(default_factory=list)
    """Of all later calls and forks."""
    endings: list[Ending] = field(default_factory=list)
    without_stream: int | None = None
    """How many disconnections did not name their stream; None if the logs were not read."""
    error_messages: int = 0
    """How many messages came on carriers' connections that are not for a carrier."""
    metrics: Metrics | None = None
    """None where CloudWatch has none."""
    marks: int | None = None
    """How many marks a connection got that stayed open; None without such a connection."""

    def finding(self, check: str) -> Finding | None:
        """The result of a check, if the check was made."""
        return next((each for each in self.findings if each.check == check), None)
