"""CloudWatch's metrics of the run's minutes: what AWS throttled, failed and started."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, judged, unmeasured

HOW: Final = "run the command with --stack"
NO_METRICS: Final = "the emulator has no CloudWatch metrics"

ON_THE_WAY: Final = (
    "MediaAuthorizer",
    "MediaConnect",
    "MediaEvent",
    "MediaFrame",
    "MediaDisconnect",
    "FanOut",
    "RelaySubscription",
    "Relay",
)
"""The functions that a call and a fork meet, of which more is asked."""

_PERIOD: Final = timedelta(minutes=1)
_LOOK_SECONDS: Final = 30.0
# Metrics of the last minutes come late.
_PATIENCE_SECONDS: Final = 300.0
_A_REQUEST: Final = 500


@dataclass(frozen=True, slots=True)
class Query:
    """One metric: its namespace, name, statistic and dimensions."""

    namespace: str
    metric: str
    statistic: str
    dimensions: Mapping[str, str]


type Key = tuple[str, str, str]
"""The name of a part of the stack, of a metric and of its statistic."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The values of metrics over the run's minutes: sums, or the greatest of all minutes."""

    values: Mapping[Key, float]
    seconds: float
    """How long the run has taken."""

    def value(self, part: str, metric: str, statistic: str = "Sum") -> float | None:
        """A metric's value; None if CloudWatch has no data of it."""
        return self.values.get((part, metric, statistic))

    def as_list(self) -> list[dict[str, object]]:
        """All values, for scripts."""
        return [
            {"part": part, "metric": metric, "statistic": statistic, "value": value}
            for (part, metric, statistic), value in sorted(self.values.items())
        ]

    def by_part(self, metric: str) -> dict[str, float]:
        """The sums of a metric that are not 0, by the part of the stack."""
        return {
            part: value
            for (part, name, statistic), value in self.values.items()
            if (name, statistic) == (metric, "Sum") and value
        }


def queries(deployed: Deployed) -> dict[Key, Query]:
    """What is asked of CloudWatch."""
    asked: dict[Key, Query] = {}

    def ask(part: str, namespace: str, dimensions: Mapping[str, str], *wanted: str) -> None:
        for each in wanted:
            metric, _, statistic = each.partition(" ")
            statistic = statistic or "Sum"
            asked[part, metric, statistic] = Query(namespace, metric, statistic, dimensions)

    for part, name in deployed.functions.items():
        of = {"FunctionName": name}
        ask(part, "AWS/Lambda", of, "Errors", "Throttles")
        if part in ON_THE_WAY:
            wanted = ("Invocations", "ConcurrentExecutions Maximum", "Duration p50", "Duration p99")
            ask(part, "AWS/Lambda", of, *wanted)
    ask(
        "FanOut",
        "AWS/Lambda",
        {"FunctionName": deployed.functions["FanOut"]},
        "IteratorAge Maximum",
    )
    ask("Relay", "AWS/Lambda", {"FunctionName": deployed.functions["Relay"]}, "AsyncEventsDropped")
    ask(
        "FramesStream",
        "AWS/Kinesis",
        {"StreamName": deployed.physical("FramesStream")},
        "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded",
        "PutRecord.Latency Average",
        "PutRecord.Latency Maximum",
    )
    for api in ("MediaApi", "RelayApi"):
        of = {"ApiId": deployed.physical(api)}
        ask(api, "AWS/ApiGateway", of, "ClientError", "ExecutionError", "IntegrationError")
    return asked


async def measured(deployed: Deployed, since: datetime, until: datetime, frames: int) -> Metrics:
    """The metrics of a time, once CloudWatch has them: it counts at least so many frames.

    Raises:
        ClientError: CloudWatch refuses.
        BotoCoreError: CloudWatch does not answer.
    """
    asked = queries(deployed)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        values = await asyncio.to_thread(_values, deployed, asked, since, until)
        found = Metrics(values, (until - since).total_seconds())
        seen = found.value("MediaFrame", "Invocations") or 0
        if seen >= frames or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_LOOK_SECONDS)


def throttles_finding(found: Metrics | None) -> Finding:
    """Whether AWS has refused anything for want of room."""
    check = "throttles"
    if found is None:
        return unmeasured(check, NO_METRICS, HOW)
    counts = {
        f"{part} {metric}": round(count)
        for metric in (
            "Throttles",
            "WriteProvisionedThroughputExceeded",
            "ReadProvisionedThroughputExceeded",
            "AsyncEventsDropped",
        )
        for part, count in found.by_part(metric).items()
    }
    problems = [f"{count} of {what}" for what, count in counts.items()]
    return judged(check, problems, "none, of functions and of the frames stream", counts=counts)


def errors_finding(found: Metrics | None) -> Finding:
    """Whether a function or an API has failed."""
    check = "errors of functions and APIs"
    if found is None:
        return unmeasured(check, NO_METRICS, HOW)
    counts = {
        f"{part} {metric}": round(count)
        for metric in ("Errors", "ExecutionError", "IntegrationError")
        for part, count in found.by_part(metric).items()
    }
    problems = [f"{count} of {what}" for what, count in counts.items()]
    return judged(check, problems, "none", counts=counts)


def _values(
    deployed: Deployed, asked: Mapping[Key, Query], since: datetime, until: datetime
) -> dict[Key, float]:
    cloudwatch: Any = deployed.client("cloudwatch")
    keys = [*asked]
    values: dict[Key, float] = {}
    for start in range(0, len(keys), _A_REQUEST):
        some = keys[start : start + _A_REQUEST]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[_query(f"m{number}", asked[key]) for number, key in enumerate(some)],
            # Whole minutes: those in which the run began and ended, too.
            StartTime=since.replace(second=0, microsecond=0),
            EndTime=until + _PERIOD,
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                key = some[int(result["Id"][1:])]
                _add(values, key, result["Values"])
    return values


def _add(values: dict[Key, float], key: Key, more: Sequence[float]) -> None:
    if more:
        known = [values[key]] if key in values else []
        values[key] = sum([*known, *more]) if key[2] == "Sum" else max([*known, *more])


def _query(id_: str, query: Query) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions.items()]
    metric = {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions}
    period = int(_PERIOD.total_seconds())
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": period, "Stat": query.statistic}}
