"""Alarms, evaluated as CloudWatch's user guide says, over data that comes late or not at all.

Sources: "Using metric math" (arithmetic takes missing values for 0; FILL) and "How alarm state is
evaluated when data is missing" (the most recent points that exist, of a range that is longer than
the evaluation periods).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import pytest
from _pytest.mark import ParameterSet

from tests.deployment import Deployment

DEPLOYMENTS: Final = {
    "default": Deployment(),
    "everything": Deployment(Transcriber="amazon", Dialogflow="google", AlarmTopicArn="arn"),
}
# How much longer than the evaluation periods the range is, is not documented for all cases.
EXTRA_PERIODS: Final = (0, 2)
# With which a metric of Lambda or Kinesis arrives, in minutes.
DELAYS: Final = (0, 1, 3)
HAPPENS: Final = 20  # the minute in which something goes wrong
MINUTES: Final = 45

OF_ABSENCE: Final = "SweepMissingAlarm"  # fires when there are no data

type Points = Mapping[int, float]
"""The values of a metric, by minutes; a missing value has no minute."""

ZEROS: Final[Points] = dict.fromkeys(range(MINUTES), 0.0)


@dataclass(frozen=True)
class Alarm:
    """An alarm's properties, and its evaluation."""

    properties: dict[str, Any]

    @property
    def period(self) -> int:
        """In minutes."""
        periods = {each["MetricStat"]["Period"] for each in self._stats()} or {
            self.properties["Period"]
        }
        [period] = periods  # CloudWatch refuses an alarm whose metrics have several
        return int(period // 60)

    @property
    def metrics(self) -> list[str]:
        """The ids of the metrics."""
        return [each["Id"] for each in self._stats()] or ["metric"]

    def _stats(self) -> list[dict[str, Any]]:
        return [each for each in self.properties.get("Metrics", []) if "MetricStat" in each]

    def expression(self) -> str:
        """The expression that is watched."""
        if "Metrics" not in self.properties:
            return "metric"
        [watched] = [each for each in self.properties["Metrics"] if each.get("ReturnData", True)]
        return str(watched["Expression"])

    def states(
        self, data: Mapping[str, Points], delays: Mapping[str, int], extra: int
    ) -> list[str]:
        """The state at each minute, for metrics that arrive with their delays."""
        return [self.state(now, data, delays, extra) for now in range(MINUTES)]

    def state(
        self, now: int, data: Mapping[str, Points], delays: Mapping[str, int], extra: int
    ) -> str:
        """The state after so many minutes, over a range with so many extra periods."""
        periods = self.properties["EvaluationPeriods"]
        needed = self.properties.get("DatapointsToAlarm", periods)
        # The periods that have ended, the last one last.
        ends = [now - back * self.period for back in reversed(range(periods + extra))]
        arrived = {
            name: {
                index: _statistic(values)
                for index, end in enumerate(ends)
                if (
                    values := [
                        points[minute]
                        for minute in range(end - self.period, end)
                        if minute in points and minute + 1 + delays.get(name, 0) <= now
                    ]
                )
            }
            for name, points in data.items()
        }
        existing = _evaluate(self.expression(), arrived, len(ends))
        verdicts = [self._breaches(value) for _, value in sorted(existing.items())][-periods:]
        missing = self.properties["TreatMissingData"]
        assert missing in {"breaching", "notBreaching"}
        verdicts += [missing == "breaching"] * (periods - len(verdicts))
        return "ALARM" if sum(verdicts) >= needed else "OK"

    def _breaches(self, value: float) -> bool:
        threshold = self.properties["Threshold"]
        match self.properties["ComparisonOperator"]:
            case "GreaterThanThreshold":
                return bool(value > threshold)
            case "LessThanThreshold":
                return bool(value < threshold)
        raise AssertionError


def _statistic(values: list[float]) -> float:
    return sum(values)  # what a test puts into one period is one value, or zeros


def _evaluate(expression: str, metrics: Mapping[str, Points], periods: int) -> dict[int, float]:
    """A sum of metrics, each perhaps filled."""
    terms: list[Points] = []
    for term in expression.split(" + "):
        if filled := re.fullmatch(r"FILL\((\w+), (\d+)\)", term):
            terms.append(dict.fromkeys(range(periods), float(filled[2])) | dict(metrics[filled[1]]))
        else:
            terms.append(metrics[term])
    known = {index for points in terms for index in points}
    return {index: sum(points.get(index, 0) for points in terms) for index in known}


def alarms() -> Iterator[ParameterSet]:
    for name, properties in DEPLOYMENTS["everything"].of_type("AWS::CloudWatch::Alarm").items():
        if name != OF_ABSENCE:
            yield pytest.param(Alarm(properties), id=name)


def test_evaluation_agrees_with_the_examples_of_the_user_guide() -> None:
    # 0 is within the threshold, X breaches, - is missing; the last is the most recent.
    examples = [
        (3, "0-X-X", "OK", "OK"),
        (3, "0----", "OK", "OK"),
        (3, "-----", "ALARM", "OK"),
        (3, "0XX-X", "ALARM", "ALARM"),
        (2, "0-X-X", "ALARM", "ALARM"),
        (2, "00X0X", "ALARM", "ALARM"),
        (2, "0-X--", "ALARM", "OK"),
        (2, "----0", "ALARM", "OK"),
        (2, "----X", "ALARM", "OK"),
    ]
    for needed, points, breaching, not_breaching in examples:
        data = {minute: float(each == "X") for minute, each in enumerate(points) if each != "-"}
        for missing, state in (("breaching", breaching), ("notBreaching", not_breaching)):
            alarm = Alarm(
                {
                    "Period": 60,
                    "EvaluationPeriods": 3,
                    "DatapointsToAlarm": needed,
                    "Threshold": 0,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "TreatMissingData": missing,
                }
            )
            assert alarm.state(5, {"metric": data}, {}, extra=2) == state, (points, missing)


@pytest.mark.parametrize("extra", EXTRA_PERIODS)
@pytest.mark.parametrize("quiet", [ZEROS, {}], ids=["zeros", "missing"])
@pytest.mark.parametrize("alarm", [*alarms()])
def test_alarm_fires_for_each_of_its_metrics_however_late(
    alarm: Alarm, quiet: Points, extra: int
) -> None:
    for watched, delay in product(alarm.metrics, DELAYS):
        breach = {HAPPENS: alarm.properties["Threshold"] + 1.0}
        # The other metrics come at once.
        data = dict.fromkeys(alarm.metrics, quiet) | {watched: {**quiet, **breach}}

        states = alarm.states(data, {watched: delay}, extra)

        fired = {minute for minute, state in enumerate(states) if state == "ALARM"}
        assert fired, (watched, delay)
        assert HAPPENS < min(fired) <= HAPPENS + 1 + delay
        assert states[-1] == "OK"


@pytest.mark.parametrize("extra", EXTRA_PERIODS)
@pytest.mark.parametrize("quiet", [ZEROS, {}], ids=["zeros", "missing"])
@pytest.mark.parametrize("alarm", [*alarms()])
def test_alarm_does_not_fire_when_nothing_happens(alarm: Alarm, quiet: Points, extra: int) -> None:
    data = dict.fromkeys(alarm.metrics, quiet)

    assert set(alarm.states(data, dict.fromkeys(alarm.metrics, 3), extra)) == {"OK"}


@pytest.mark.parametrize("extra", EXTRA_PERIODS)
@pytest.mark.parametrize("delay", DELAYS)
def test_alarm_of_a_missing_sweep_fires_after_ten_minutes_without_one(
    delay: int, extra: int
) -> None:
    alarm = Alarm(DEPLOYMENTS["default"].resources[OF_ABSENCE])
    runs = dict.fromkeys(range(MINUTES), 1.0)
    stopped = {minute: value for minute, value in runs.items() if not 15 <= minute < 35}

    assert set(alarm.states({"sweep": runs}, {"sweep": delay}, extra)[10:]) == {"OK"}
    states = alarm.states({"sweep": stopped}, {"sweep": delay}, extra)
    fired = [minute for minute, state in enumerate(states) if state == "ALARM" and minute > 10]
    assert min(fired) == 25
    assert states[-1] == "OK"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_alarms_fit_the_limits_of_cloudwatch(name: str) -> None:
    deployed = DEPLOYMENTS[name].of_type("AWS::CloudWatch::Alarm")

    for alarm, properties in deployed.items():
        metrics = Alarm(properties).metrics
        assert len(metrics) <= 10, alarm
        if alarm != OF_ABSENCE:
            assert sorted(Alarm(properties).expression().split(" + ")) == sorted(metrics), alarm
        # An action for each alarm, as soon as there is a topic.
        assert properties.get("AlarmActions") == (["arn"] if name == "everything" else None)
