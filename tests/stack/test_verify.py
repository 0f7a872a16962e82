"""`callstream verify` on the deployed stack, and its checks if something is broken on purpose."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from callstream.dialects.events import Media
from callstream.frames import records
from callstream.frames.records import Record
from callstream_cli.carrier.plan import Fate, Faults
from callstream_cli.deployment import outputs_of
from callstream_cli.operator.administration import Administration
from callstream_cli.verify.audio_checks import call_finding, counters_finding
from callstream_cli.verify.calls import noise, place
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.landings import Calls, Landed, read, streams_of
from callstream_cli.verify.order import order_of
from callstream_cli.verify.queues import queues_finding, waiting
from callstream_cli.verify.tenants import Parties, parties
from callstream_cli.verify.tokens import Attempt, token_of
from tests.stack.conftest import DeployedStack
from tests.unit.cli.commands import run

# Everything else is AWS's own, which the emulator has not.
NOT_HERE = {
    "a path after the stage",
    "throttles",
    "errors of functions and APIs",
    "alarms",
    "an alarm for one error",
}


@contextmanager
def tenants_of(stack: DeployedStack) -> Iterator[tuple[Deployed, Parties]]:
    with (
        pytest.MonkeyPatch.context() as environment,
        outputs_of_local(stack, environment) as outputs,
        parties(Deployed.of(None, outputs), Administration(outputs)) as both,
    ):
        yield Deployed.of(None, outputs), both


def empty_queues(stack: DeployedStack) -> None:
    """Remove what other tests have left in the queues that should be empty."""
    with tenants_of(stack) as (deployed, _):
        for name in waiting(deployed):
            deployed.client("sqs").purge_queue(QueueUrl=deployed.physical(name))


@contextmanager
def outputs_of_local(
    stack: DeployedStack, environment: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    environment.setenv("CALLSTREAM_STATE_DIR", str(stack.state_dir))
    with outputs_of(None) as outputs:
        yield outputs


def test_local_stack_passes_all_checks(stack: DeployedStack) -> None:
    empty_queues(stack)
    done = run(
        "verify",
        "--provoke",
        "--json",
        CALLSTREAM_STATE_DIR=str(stack.state_dir),
        CALLSTREAM_STACK="",
    )
    report = json.loads(done.stdout)

    checks = {each["check"]: each for each in report["checks"]}
    assert [each for each in checks.values() if each["outcome"] == "failed"] == []
    assert (done.exit_code, report["passed"], report["cost_usd"]) == (0, True, 0)
    assert {name for name, it in checks.items() if it["outcome"] == "not_measured"} == NOT_HERE
    assert len(checks) == len(report["checks"]) == 36
    hops = {each["hop"]: each for each in report["hops"]}
    assert all(each["later_calls"] for each in hops.values())
    assert hops["a frame: on Kinesis, back on Kinesis through a fork"]["later_calls"]["count"] > 100
    assert all(bool(each["answer"]) != bool(each["because"]) for each in report["questions"])
    tenants = stack.table("directory").scan()["Items"]
    assert not [item for item in tenants if "callstream verify" in str(item)]


def test_broken_call_and_record_out_of_order_fail_their_checks(stack: DeployedStack) -> None:
    with tenants_of(stack) as (deployed, both):
        key, kinesis = both.caller.id, deployed.client("kinesis")
        since = datetime.now(UTC) - timedelta(seconds=5)
        calls = Calls.of(deployed)

        async def landed(stream_id: str) -> Landed:
            return (await read(deployed, [stream_id], since, patience=1))[stream_id]

        async def act() -> None:
            audio = noise(("inbound",), 1.0)
            faults = Faults(drop=0.1, corrupt=0.1)
            call = await place(both.caller.stack, "telnyx", audio, faults=faults, speed=0)
            wanted = {(key, call.call_id): call.report.frames.total()}
            [stream] = (await streams_of(calls, wanted)).values()
            before = await landed(stream.stream_id)
            finding = call_finding("call", call, before)
            assert finding.outcome == "failed"
            corrupted = call.report.fates[Fate.CORRUPTED]
            assert "sequence numbers are missing" in finding.text
            assert f"{corrupted} messages were rejected" in finding.text
            counted = counters_finding([(call.report, stream)], [stream])
            assert f"{corrupted} messages were rejected" in counted.text
            assert order_of(before).late == 0

            # One frame again with other audio, and one that was missing, far too late.
            frame = before.frames("inbound")[3]
            missing = min(set(range(2, 50)) - set(before.arrived_at))
            for event in (replace(frame, audio=b"?"), replace(frame, sequence=missing)):
                put(event, stream.stream_id)
            after = await landed(stream.stream_id)
            text = call_finding("call", call, after).text
            assert "1 repeated records differ from the first" in text
            assert order_of(after).overtaken == 1

        def put(event: Media, stream_id: str) -> None:
            record = Record(stream_id, key, "genagent", "telnyx", 0, event)
            kinesis.put_record(
                StreamName=deployed.physical("FramesStream"),
                PartitionKey=stream_id,
                Data=records.encode(record),
            )

        asyncio.run(act())


def test_full_queue_and_wrong_tokens_fail_their_checks(stack: DeployedStack) -> None:
    with tenants_of(stack) as (deployed, both):
        sqs, url = deployed.client("sqs"), deployed.physical("FanOutFailures")
        sqs.send_message(QueueUrl=url, MessageBody="for test_verify")
        try:
            assert queues_finding(waiting(deployed)).outcome == "failed"
        finally:
            sqs.purge_queue(QueueUrl=url)
        assert queues_finding(waiting(deployed)).outcome == "passed"

        good = stack.media_url(
            stack.key_ring().sign(
                tenant_id=both.caller.id, route="genagent", use="many", now=datetime.now(UTC)
            )
        )
        # As if the stack admitted what it must refuse, and refused what it must admit.
        for attempt in (
            Attempt("token", good, opens=False),
            Attempt("token", good.replace(token_of(good), "a.b.c"), opens=True),
        ):
            assert asyncio.run(attempt.finding()).outcome == "failed"
