"""Queues, alarms, metrics and logs: each check fails when what it checks is broken."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from callstream_cli.operator.log_sources import Entry
from callstream_cli.verify import metrics
from callstream_cli.verify.alarms import alarms_finding, judge
from callstream_cli.verify.deployed import Deployed, Resource
from callstream_cli.verify.logs import logs_finding, without_stream
from callstream_cli.verify.metrics import Metrics, errors_finding, measured, throttles_finding
from callstream_cli.verify.queues import queues_finding, waiting

NOW = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)
QUEUES = ("OverflowQueue", "OverflowDeadLetterQueue", "FanOutFailures", "CallbackDeadLetterQueue")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def deployed(resources: dict[str, Resource], stack: str | None = "callstream") -> Deployed:
    return Deployed(stack, "us-east-1", {}, {}, resources)


@pytest.mark.usefixtures("aws")
def test_message_in_a_dead_letter_queue_fails_the_check() -> None:
    sqs = boto3.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in (*QUEUES, "Other")}
    stack = deployed({name: Resource("AWS::SQS::Queue", url) for name, url in urls.items()})
    assert queues_finding(waiting(stack)).outcome == "passed"

    sqs.send_message(QueueUrl=urls["Other"], MessageBody="x")
    assert queues_finding(waiting(stack)).outcome == "passed"
    sqs.send_message(QueueUrl=urls["FanOutFailures"], MessageBody="x")
    # A message that another reader has is there too.
    sqs.receive_message(QueueUrl=urls["FanOutFailures"])
    assert waiting(stack)["FanOutFailures"] == 1
    sqs.send_message(QueueUrl=urls["FanOutFailures"], MessageBody="x")
    finding = queues_finding(waiting(stack))
    assert finding.outcome == "failed"
    assert finding.text.startswith("FanOutFailures has 2: frames that did not reach")


def test_missing_queue_fails_the_check() -> None:
    counts = dict.fromkeys(QUEUES[:-1], 0)

    assert queues_finding(counts).text == f"the stack has no {QUEUES[-1]}"


NAMES = {"LostAlarm": "stack-LostAlarm-1", "StuckAlarm": "stack-StuckAlarm-1"}


def described(**changes: Any) -> list[dict[str, Any]]:
    quiet = {"StateValue": "OK", "ActionsEnabled": True, "AlarmActions": ["topic"]}
    first, second = NAMES.values()
    return [quiet | {"AlarmName": first} | changes, quiet | {"AlarmName": second}]


def test_good_alarms_pass() -> None:
    finding = judge(NAMES, described(), {"topic": True})

    assert finding.outcome == "passed"
    assert finding.figures["states"] == dict.fromkeys(NAMES, "OK")


@pytest.mark.parametrize(
    ("alarms", "subscribed", "problem"),
    [
        (described()[1:], True, "LostAlarm does not exist any more"),
        (described(StateValue="ALARM", StateReason="1 > 0"), True, "LostAlarm is in alarm: 1 > 0"),
        (described(ActionsEnabled=False), True, "the actions of LostAlarm are switched off"),
        (described(AlarmActions=[]), True, "1 alarms have no topic"),
        (described(), False, "nobody has subscribed to topic"),
    ],
)
def test_broken_alarms_fail_the_check(
    alarms: list[dict[str, Any]], *, subscribed: bool, problem: str
) -> None:
    finding = judge(NAMES, alarms, {"topic": subscribed})

    assert finding.outcome == "failed"
    assert problem in finding.text


def test_stack_without_alarms_fails_the_check_and_the_local_stack_has_none() -> None:
    assert judge({}, [], {}).outcome == "failed"
    assert alarms_finding(deployed({}, None)).outcome == "not_measured"


@pytest.mark.usefixtures("aws")
def test_alarms_are_looked_up_with_their_topics() -> None:
    topic = boto3.client("sns").create_topic(Name="alarms")["TopicArn"]
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="stack-LostAlarm-1",
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
        AlarmActions=[topic],
    )
    stack = deployed({"LostAlarm": Resource("AWS::CloudWatch::Alarm", "stack-LostAlarm-1")})
    assert alarms_finding(stack).text == f"nobody has subscribed to {topic}"

    boto3.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    finding = alarms_finding(stack)
    assert "LostAlarm is in alarm" in finding.text or finding.outcome == "passed", finding.text


FUNCTIONS = ("MediaFrame", "FanOut", "Relay", "Sweep")


def of_functions() -> Deployed:
    return deployed(
        {f"{name}Function": Resource("AWS::Lambda::Function", f"x-{name}") for name in FUNCTIONS}
        | {name: Resource("AWS::ApiGatewayV2::Api", name) for name in ("MediaApi", "RelayApi")}
        | {"FramesStream": Resource("AWS::Kinesis::Stream", "frames")}
    )


def test_metrics_are_awaited_until_all_frames_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr(metrics, "_LOOK_SECONDS", 0.0)
    stack = of_functions()
    keys = [*metrics.queries(stack)]
    numbers = {key: f"m{number}" for number, key in enumerate(keys)}

    def answer(**values: list[float]) -> dict[str, Any]:
        of = {
            "frames": ("MediaFrame", "Invocations", "Sum"),
            "most": ("MediaFrame", "ConcurrentExecutions", "Maximum"),
            "throttles": ("Sweep", "Throttles", "Sum"),
            "errors": ("MediaApi", "ExecutionError", "Sum"),
        }
        found = [{"Id": numbers[of[name]], "Values": some} for name, some in values.items()]
        return {"MetricDataResults": found}

    with Stubber(stack.client("cloudwatch")) as cloudwatch:
        cloudwatch.add_response("get_metric_data", answer(frames=[60.0]))
        cloudwatch.add_response(
            "get_metric_data",
            answer(frames=[60.0, 40.0], most=[7.0, 3.0], throttles=[2.0], errors=[1.0]),
        )
        found = asyncio.run(measured(stack, NOW, NOW + timedelta(seconds=50), 100))
        cloudwatch.assert_no_pending_responses()

    assert found.value("MediaFrame", "Invocations") == 100
    assert found.value("MediaFrame", "ConcurrentExecutions", "Maximum") == 7
    assert found.value("Relay", "Errors") is None
    assert found.seconds == 50
    assert throttles_finding(found).text == "2 of Sweep Throttles"
    assert errors_finding(found).text == "1 of MediaApi ExecutionError"


@pytest.mark.parametrize(
    "metric",
    [
        "Throttles",
        "AsyncEventsDropped",
        "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded",
    ],
)
def test_throttle_of_any_part_fails_the_check(metric: str) -> None:
    assert throttles_finding(Metrics({}, 60)).outcome == "passed"
    assert throttles_finding(Metrics({("Relay", metric, "Sum"): 0.0}, 60)).outcome == "passed"
    assert throttles_finding(Metrics({("Relay", metric, "Sum"): 1.0}, 60)).outcome == "failed"
    assert throttles_finding(None).outcome == "not_measured"


@pytest.mark.parametrize("metric", ["Errors", "ExecutionError", "IntegrationError"])
def test_error_of_any_part_fails_the_check(metric: str) -> None:
    assert errors_finding(Metrics({}, 60)).outcome == "passed"
    assert errors_finding(Metrics({("Relay", metric, "Sum"): 1.0}, 60)).outcome == "failed"
    assert errors_finding(None).outcome == "not_measured"


def line(text: str, level: str = "ERROR", **fields: str) -> Entry:
    return Entry.of(NOW, "MediaEvent", json.dumps({"level": level, "message": text, **fields}))


def test_warning_about_the_run_fails_the_check() -> None:
    ids = {"verify-1-caller", "stream-1"}
    assert (
        logs_finding([line("answered 200", "INFO", stream_id="stream-1")], ids).outcome == "passed"
    )
    for level in ("WARNING", "ERROR", "CRITICAL"):
        finding = logs_finding([line("state lost", level, stream_id="stream-1")] * 2, ids)
        assert finding.outcome == "failed"
        assert finding.text == f"MediaEvent: {level.lower()}: state lost"
    harmless = [
        line("state not changed: stop", "WARNING", stream_id="stream-1"),
        line("a disconnection names no stream", "WARNING", stream_id="stream-1"),
    ]
    assert logs_finding(harmless, ids).outcome == "passed"
    assert without_stream(harmless) == 1


def test_errors_about_others_are_counted_only() -> None:
    finding = logs_finding([line("state lost", stream_id="another")] * 3, {"stream-1"})

    assert finding.outcome == "passed"
    assert "errors about other things: 3 of MediaEvent" in finding.text
    assert finding.figures == {"errors_of_others": {"MediaEvent": 3}}
    assert "not all lines were read" in logs_finding([], {"stream-1"}, left_out=True).text
