import json
from collections.abc import Iterable

import pytest

from bench.billing import PRICES, Counts
from bench.calls import BATCH_WINDOW_SECONDS, Played, Session
from bench.latency import BUDGETS, compared, latencies
from bench.measures import BenchError, Measure, race
from callstream_cli.carrier.plan import CallPlan, Carrier
from callstream_cli.carrier.session import CallReport
from tests import template


def noted(what: str, during: str = "message", function: str = "F", **details: object) -> str:
    return json.dumps({"what": what, "function": function, "during": during} | details)


def invocation(during: str = "message", size: int = 400) -> str:
    return noted("invocation", during, bytes=size, cpu_seconds=0.001)


def request(service: str, operation: str, size: int = 300, *, first: bool = True) -> str:
    return noted("request", service=service, operation=operation, bytes=size, first=first)


def messages(lines: Iterable[str]) -> Counts:
    return Counts.of_ledger(lines)["messages"]


def test_frame_is_billed_as_message_invocation_and_kilobyte() -> None:
    counts = messages([request("kinesis", "PutRecord"), invocation()])

    assert counts["WebSocket messages"] == 1
    assert counts["Lambda invocations"] == 1
    assert counts["Kinesis KB put"] == 1
    assert counts["DynamoDB requests"] == 0
    assert counts.operations == 3
    assert counts.cpu_seconds("F") == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("line", "name", "units"),
    [
        (invocation(size=0), "WebSocket messages", 1),
        (invocation(size=32 * 1024), "WebSocket messages", 1),
        (invocation(size=32 * 1024 + 1), "WebSocket messages", 2),
        (request("kinesis", "PutRecord", 1024), "Kinesis KB put", 1),
        (request("kinesis", "PutRecord", 1025), "Kinesis KB put", 2),
        (request("sqs", "SendMessage", 64 * 1024 + 1), "SQS requests", 2),
        (request("secrets-manager", "GetSecretValue"), "Secrets Manager calls", 1),
        (request("apigatewaymanagementapi", "PostToConnection"), "WebSocket messages", 1),
        (request("apigatewaymanagementapi", "DeleteConnection"), "connections closed", 1),
        (request("dynamodb", "PutItem"), "DynamoDB requests", 1),
        (noted("capacity", read=True, units=0.5), "DynamoDB reads", 0.5),
        (noted("capacity", read=False, units=4), "DynamoDB writes", 4),
        (invocation("connect"), "CloudFront requests", 1),
        (invocation("rest"), "REST requests", 1),
    ],
)
def test_units_follow_the_price_list(line: str, name: str, units: float) -> None:
    assert messages([line])[name] == units


def test_every_attempt_is_counted() -> None:
    again = request("kinesis", "PutRecord", first=False)

    counts = messages([request("kinesis", "PutRecord"), again])

    assert counts["Kinesis records"] == 2
    assert counts["retries"] == 1


def test_reads_and_started_functions_are_counted_elsewhere() -> None:
    lines = [request("kinesis", "GetRecords"), request("lambda", "Invoke")]

    assert messages(lines).operations == 0


def test_operation_without_a_price_is_refused() -> None:
    with pytest.raises(ValueError, match="no price is known for s3 PutObject"):
        messages([request("s3", "PutObject")])


def test_counts_separate_messages_batches_and_others() -> None:
    counts = Counts.of_ledger([invocation(), invocation("batch", 5000), invocation("other")])

    assert {name: each["Lambda invocations"] for name, each in counts.items()} == {
        "messages": 1,
        "batches": 1,
        "others": 1,
    }
    assert counts["batches"]["Kinesis bytes read"] == 5000
    assert counts["messages"]["Kinesis bytes read"] == 0


def test_hour_of_frames_has_the_prices_of_the_list() -> None:
    frame = messages([request("kinesis", "PutRecord"), invocation()])

    costs = (frame * 180_000).costs(billed_ms=15, memory_mb=256)

    assert costs["WebSocket messages"] == pytest.approx(0.18)
    assert costs["Lambda invocations"] == pytest.approx(0.036)
    assert costs["Lambda GB-seconds"] == pytest.approx(675 * 0.0000166667)
    assert costs["Kinesis KB put"] == pytest.approx(0.0137, abs=0.0001)
    assert costs.keys() == PRICES.keys()


def played(seconds: int) -> Played:
    """A call whose records were read in batches of half a second."""
    frames = [request("kinesis", "PutRecord"), invocation()] * (seconds * 50)
    opening = [invocation("connect"), request("dynamodb", "PutItem")]
    batch = [
        noted("request", "batch", service="dynamodb", operation="U", bytes=1, first=True),
        invocation("batch", 25 * 300),
    ]
    counts = Counts.of_ledger(frames + opening + batch * (seconds * 2))
    return Played(calls=1, seconds=seconds, took=seconds, **counts)


def test_hour_has_one_opening_its_frames_and_the_batches_of_aws() -> None:
    hour = Session(lengths=[played(1), played(2)], crowds=[], memory_mb=256).hour

    batches = 3600 / BATCH_WINDOW_SECONDS
    assert hour["WebSocket messages"] == 180_000
    assert hour["CloudFront requests"] == 1
    assert hour["DynamoDB requests"] == pytest.approx(1 + batches)
    assert hour["Lambda invocations"] == pytest.approx(180_000 + 1 + batches)
    assert hour["Kinesis bytes read"] == pytest.approx(180_000 * 300)
    assert hour["connection minutes"] == 60


def test_counters_function_has_the_batching_window_of_the_bill() -> None:
    function = template.load()["Resources"]["StreamCountersFunction"]["Properties"]

    window = function["Events"]["Frames"]["Properties"]["MaximumBatchingWindowInSeconds"]
    assert window == {"Fn::If": ["OnAws", BATCH_WINDOW_SECONDS, 1]}


@pytest.mark.parametrize(
    ("measure", "ratio", "verdict"),
    [
        (Measure("s", "n", 11, "", floor=10, budget=1.1), 1.1, "ok"),
        (Measure("s", "n", 12, "", floor=10, budget=1.1), 1.2, "OVER"),
        (Measure("s", "n", 12, "", floor=10), 1.2, ""),
        (Measure("s", "n", 0, "", budget=0), None, "ok"),
        (Measure("s", "n", 0.1, "", budget=0), None, "OVER"),
    ],
)
def test_verdict_compares_the_ratio_or_the_value_with_the_budget(
    measure: Measure, ratio: float | None, verdict: str
) -> None:
    assert (measure.ratio, measure.verdict) == (ratio, verdict)


def test_race_takes_turns() -> None:
    turns: list[str] = []

    race(lambda: turns.append("ours"), lambda: turns.append("floor"), loops=2, rounds=2)

    assert turns == ["ours", "ours", "floor", "floor"] * 2


# ── latency ──────────────────────────────────────────────────────────────────────────────────────


def sent(seconds: int) -> tuple[CallReport, list[bytes]]:
    """A call with a frame every 20 ms from 0 s on, and its frames."""
    frames = [number.to_bytes(160) for number in range(seconds * 50)]
    carrier = Carrier(CallPlan({"inbound": b"".join(frames)}))
    report = CallReport(identity=carrier.identity)
    for message in carrier.messages():
        report.count(message, message.at - 0.02)
    return report, frames


def test_latencies_leave_out_frames_that_waited_for_the_fork_to_join() -> None:
    report, frames = sent(seconds=5)
    # The consumer receives from 1.99 s on; earlier frames arrive all at once.
    received_at = {frame: max(1.99, number * 0.02 + 0.008) for number, frame in enumerate(frames)}
    del received_at[frames[0]]

    found = latencies(report, received_at)

    assert len(found) == 50
    assert found == pytest.approx([8.0] * 50)


def test_latencies_refuse_a_lost_frame() -> None:
    report, frames = sent(seconds=5)
    received_at = {frame: number * 0.02 + 0.008 for number, frame in enumerate(frames)}
    del received_at[frames[200]]

    with pytest.raises(BenchError, match="1 of 149 frames did not reach the consumer"):
        latencies(report, received_at)


def test_latencies_refuse_a_consumer_that_received_nothing() -> None:
    report, _ = sent(seconds=5)

    with pytest.raises(BenchError, match="frames did not reach the consumer"):
        latencies(report, {})


def test_comparison_uses_the_smallest_round_of_each_side() -> None:
    ours = [[10.0] * 300 + [40.0] * 100, [12.0] * 400]
    floor = [[11.0] * 400, [8.0] * 300 + [9.0] * 100]

    p50, p95 = compared(ours, floor)

    assert (p50.value, p50.floor, p50.ratio, p50.verdict) == (10.0, 8.0, 1.25, "OVER")
    assert (p95.value, p95.floor, p95.verdict) == (12.0, 9.0, "ok")
    assert (p50.budget, p95.budget) == (BUDGETS[50], BUDGETS[95]) == (1.15, 1.5)


def test_comparison_refuses_a_round_of_few_frames() -> None:
    with pytest.raises(BenchError, match="3 frames to compare"):
        compared([[10.0] * 400], [[8.0] * 3])


def test_floor_reads_kinesis_with_the_settings_of_the_fan_out() -> None:
    floor = template.load(template.ROOT / "bench" / "floor" / "template.yaml")

    ours, theirs = (
        dict(each["Resources"]["FanOutFunction"]["Properties"]["Events"]["Frames"]["Properties"])
        for each in (template.load(), floor)
    )

    # The destination of failed batches makes no difference to the others.
    for own in ("Stream", "DestinationConfig"):
        ours.pop(own, None)
        theirs.pop(own, None)
    assert ours == theirs
