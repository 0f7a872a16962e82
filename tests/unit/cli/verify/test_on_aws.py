"""What is done on AWS alone, on a mock of it: the local stack's test does not come here."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from callstream.access.tokens import KeyRing
from callstream_cli.local.progress import Silence
from callstream_cli.verify import metrics, provoking, run, tokens
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.evidence import Evidence, Options
from callstream_cli.verify.findings import Finding
from callstream_cli.verify.path_after_stage import path_finding
from callstream_cli.verify.run import Run

STACK = "callstream"
ALARM = "callstream-MessagesFailedAlarm-1"
RING = KeyRing.from_secret({"initial": "only-for-tests-of-verify" * 2})
QUEUES = ("OverflowQueue", "OverflowDeadLetterQueue", "FanOutFailures", "CallbackDeadLetterQueue")
TEMPLATE = {
    "Parameters": {"FrameShards": {"Type": "String", "Default": "1"}},
    "Resources": {
        **{name: {"Type": "AWS::SQS::Queue"} for name in QUEUES},
        "FramesStream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}},
        "AlarmTopic": {"Type": "AWS::SNS::Topic"},
    },
}
OUTPUTS = {"AsappApiUrl": "https://rest1.execute-api.eu-west-1.amazonaws.com/asapp"}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        stack = Deployed.of(STACK, OUTPUTS)
        # moto's CloudFormation knows none of these.
        boto3.client("cloudwatch").put_metric_alarm(
            AlarmName=ALARM,
            MetricName="m",
            Namespace="n",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            Statistic="Sum",
            ComparisonOperator="GreaterThanThreshold",
            AlarmActions=[stack.physical("AlarmTopic")],
        )
        made = {"AsappApi": "rest1", "MediaApi": "media1", "RelayApi": "relay1"}
        resources = dict(stack.resources)
        kind = type(resources["FramesStream"])
        resources |= {name: kind("AWS::ApiGatewayV2::Api", id_) for name, id_ in made.items()}
        resources["MessagesFailedAlarm"] = kind("AWS::CloudWatch::Alarm", ALARM)
        resources |= {
            f"{name}Function": kind("AWS::Lambda::Function", f"callstream-{name}-1")
            for name in ("MediaFrame", "FanOut", "Relay")
        }
        yield Deployed(STACK, stack.region, OUTPUTS, stack.parameters, resources)


def test_stack_is_read_from_cloudformation(deployed: Deployed) -> None:
    assert (deployed.is_local, deployed.region) == (False, "eu-west-1")
    assert deployed.parameters == {"FrameShards": "1"}
    assert deployed.of_kind("AWS::SQS::Queue").keys() == {*QUEUES}
    assert deployed.functions["MediaFrame"] == "callstream-MediaFrame-1"
    endpoint = "media1.execute-api.eu-west-1.amazonaws.com/media"
    assert deployed.media_endpoint("http") == f"https://{endpoint}"
    assert deployed.media_endpoint("ws") == f"wss://{endpoint}"


def of_run(deployed: Deployed, began_at: datetime) -> Run:
    """A run whose calls are over."""
    evidence = Evidence(deployed.is_local, deployed.parameters, Options(), began_at)
    nobody = cast("Any", None)
    return Run(deployed, nobody, nobody, evidence, Silence(), ids={"verify-1-caller"})


def surroundings(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    monkeypatch.setattr(run, "_LOG_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "_PATIENCE_SECONDS", 0.0)
    checked = of_run(deployed, datetime.now(UTC) - timedelta(minutes=2))
    asyncio.run(checked._surroundings())
    return {finding.check: finding for finding in checked.evidence.findings}


def test_quiet_stack_passes_and_a_loud_one_fails(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = deployed.physical("AlarmTopic")
    deployed.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    logs, cloudwatch = deployed.client("logs"), deployed.client("cloudwatch")
    logs.create_log_group(logGroupName=f"/callstream/{STACK}")
    stream = {"logGroupName": f"/callstream/{STACK}", "logStreamName": "2026/11/29/f[$LATEST]1"}
    logs.create_log_stream(**stream)
    alarm = {"AlarmName": ALARM, "StateReason": "for the test"}
    cloudwatch.set_alarm_state(**alarm, StateValue="OK")

    found = surroundings(deployed, monkeypatch)
    assert {check: it.text for check, it in found.items() if it.outcome != "passed"} == {}
    assert found.keys() == {
        *("throttles", "errors of functions and APIs", "dead-letter queues", "alarms", "logs")
    }

    cloudwatch.set_alarm_state(**alarm, StateValue="ALARM")
    deployed.client("sqs").send_message(
        QueueUrl=deployed.physical("OverflowDeadLetterQueue"), MessageBody="x"
    )
    line = {"level": "ERROR", "message": "state lost", "tenant_id": "verify-1-caller"}
    now = round(datetime.now(UTC).timestamp() * 1000)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": json.dumps(line)}])
    for name, metric in (("FanOut", "Throttles"), ("Relay", "Errors")):
        dimensions = [{"Name": "FunctionName", "Value": f"callstream-{name}-1"}]
        datum = {"MetricName": metric, "Dimensions": dimensions, "Value": 2.0}
        cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])

    found = surroundings(deployed, monkeypatch)
    assert {check for check, it in found.items() if it.outcome == "failed"} == found.keys()
    assert found["throttles"].text == "2 of FanOut Throttles"
    assert found["errors of functions and APIs"].text == "2 of Relay Errors"


def test_alarm_for_an_error_on_purpose_is_awaited(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    statuses = [502, 101]
    alarm = {"AlarmName": ALARM, "StateReason": "for the test"}

    async def handshake(url: str) -> int:
        asked.append(url)
        deployed.client("cloudwatch").set_alarm_state(**alarm, StateValue="ALARM")
        return statuses[len(asked) - 1]

    monkeypatch.setattr(provoking, "handshake", handshake)
    good = "wss://media.example.com/x/a.b.c"

    def outcomes() -> list[str]:
        asked.clear()
        made = asyncio.run(provoking.provoke(deployed, good, RING, "caller"))
        return [finding.outcome for finding in made]

    assert outcomes() == ["passed", "passed", "passed"]
    assert RING.verify(tokens.token_of(asked[0])).attributes == {"dialect": "no dialect"}
    assert asked[1] == good
    # The next handshake gets the failure too, as from a cache; or nothing has failed.
    statuses[:] = [502, 502]
    assert outcomes() == ["passed", "failed", "passed"]
    statuses[:] = [403, 101]
    assert outcomes() == ["failed", "passed", "passed"]
    # The alarm does not fire.
    monkeypatch.setattr(provoking, "_PATIENCE_SECONDS", 0.0)
    assert outcomes() == ["failed", "passed", "failed"]


def test_path_after_the_stage_is_tried_with_a_good_token(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def handshake(url: str) -> int:
        asked.append(url)
        return 403

    monkeypatch.setattr("callstream_cli.verify.path_after_stage.handshake", handshake)
    finding = asyncio.run(path_finding(deployed, "wss://media.example.com/x/a.b.c"))

    assert asked == [f"{deployed.media_endpoint('ws')}/verify?token=a.b.c"]
    assert finding.text == "API Gateway's own URL with a path is refused with HTTP 403"
