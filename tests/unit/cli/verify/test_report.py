"""Findings, hops, questions, costs and the report."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from callstream_cli.gateway import GatewayError
from callstream_cli.verify import hops, provoking, staying
from callstream_cli.verify.costs import dollars
from callstream_cli.verify.evidence import Ending, Evidence, Options
from callstream_cli.verify.findings import Finding, judged, merged, noted, unmeasured
from callstream_cli.verify.hops import statistics
from callstream_cli.verify.metrics import Metrics
from callstream_cli.verify.order import Order
from callstream_cli.verify.path_after_stage import CHECK as PATH
from callstream_cli.verify.questions import SIGNED, Answer, answers
from callstream_cli.verify.report import Report, report

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def evidence(*, is_local: bool = False, **options: Any) -> Evidence:
    parameters = {"EnhancedFanOut": "true", "FrameShards": "1"}
    return Evidence(is_local, parameters, Options(**options), NOW)


def full(**options: Any) -> Evidence:
    """A run on AWS in which everything was measured."""
    seen = evidence(provoke=True, stay_minutes=12, tracks=25, **options)
    for name in hops.ORDER:
        seen.hops.add(name, [5.0], first=True)
        seen.hops.add(name, [1.0, 2.0, 3.0])
    seen.first_orders = [Order(100, 3, 2, 40.0, 1, 2)]
    seen.orders = [Order(900, 5, 4, 60.0, 0, 1)]
    seen.endings = [Ending(closed=True, seconds=0.5), Ending(closed=True, seconds=None)]
    seen.error_messages = 2
    values = {
        ("FanOut", "Invocations", "Sum"): 600.0,
        ("MediaFrame", "ConcurrentExecutions", "Maximum"): 28.0,
        ("FramesStream", "PutRecord.Latency", "Average"): 9.0,
    }
    seen.metrics = Metrics(values, 60)
    seen.marks = 3
    checks = (PATH, SIGNED, provoking.ALARM, provoking.OTHERS, staying.CHECK)
    seen.findings = [judged(check, [], f"{check}: seen") for check in checks]
    return seen


def made(seen: Evidence) -> Report:
    return report(seen, stack="s", region="r", cost=0.01, ended_at=NOW, left=["the records"])


def by_question(seen: Evidence) -> dict[str, Answer]:
    return {answer.question: answer for answer in answers(seen)}


@pytest.mark.parametrize(
    "seen", [evidence(), evidence(is_local=True), full(), evidence(stay_minutes=1, tracks=1)]
)
def test_every_question_has_an_answer_or_a_reason(seen: Evidence) -> None:
    found = answers(seen)

    assert len(found) == len({answer.question for answer in found}) == 15
    for answer in found:
        assert answer.question.endswith("?")
        assert bool(answer.answer) != bool(answer.because)


def test_what_was_measured_on_aws_is_answered() -> None:
    found = by_question(full())
    unanswered = {question for question, answer in found.items() if answer.answer is None}

    assert unanswered == {
        "Does Amazon Transcribe take mu-law as it is?",
        "What does API Gateway's mapping template make of a message, without a function?",
    }
    texts = {question: str(answer.answer) for question, answer in found.items()}
    assert "3 of 1000 frames came to API Gateway after a later frame" in "".join(texts.values())
    assert "at most 28 frame functions ran at once" in "".join(texts.values())
    assert "10.0 invocations a second" in texts["How often is the fan-out function called?"]


def test_local_stack_answers_nothing_about_aws() -> None:
    seen = full()
    seen.is_local, seen.metrics = True, None
    found = by_question(seen)

    for about in ("order?", "fork, take?", "10 minutes?", "asked for?", "called?", "late frames?"):
        [answer] = [each for each in found.values() if each.question.endswith(about)]
        assert answer.answer is None, about
        assert answer.because, about


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, "not known without the logs"), (0, "yes: 1 of 2 streams"), (2, "no: 2 events did not")],
)
def test_disconnections_without_a_stream_are_told(count: int | None, words: str) -> None:
    seen = full()
    seen.without_stream = count

    assert words in str(by_question(seen)["Does $disconnect know which stream has ended?"].answer)


def test_answer_follows_the_check_that_failed() -> None:
    seen = full()
    seen.findings = [judged(provoking.OTHERS, ["refused: HTTP 502"], "")]
    [answer] = [each for each in answers(seen) if "CloudFront spare" in each.question]

    assert answer.answer == "no: refused: HTTP 502"


def test_statistics_are_percentiles() -> None:
    assert statistics([]) is None
    assert statistics([1.0, 2.0, 3.0, 100.04]) == {
        "count": 4, "p50": 2.0, "p95": 100.0, "p99": 100.0, "max": 100.0
    }  # fmt: skip


def test_report_passes_unless_a_check_has_failed() -> None:
    seen = evidence()
    seen.findings = [judged("one", [], "good"), unmeasured("two", "no metrics", "use --stack")]
    assert made(seen).passed
    lines = [label + text for label, text in made(seen).lines()]
    assert lines[1:3] == ["✓ one  good", "- two  not measured: no metrics. To measure: use --stack"]
    assert lines[-1] == "✓ The stack works: 1 checks passed, 0 failed, 1 not measured."

    seen.findings.append(judged("three", ["broken"], "good"))
    assert not made(seen).passed
    lines = [label + text for label, text in made(seen).lines()]
    assert "✗ three  broken" in lines
    assert lines[-1].startswith("✗ The stack does not work as it should: 1 checks passed, 1 failed")
    assert "Left behind: the records" in lines


def test_times_are_below_their_hop_so_that_they_fit_80_columns() -> None:
    lines = [label + text for label, text in made(full()).lines()]

    begin = lines.index(f"  {hops.ORDER[0]}")
    shown = lines[begin : begin + 3 * len(hops.ORDER)]
    assert [line.strip() for line in shown[::3]] == [*hops.ORDER]
    assert shown[1].startswith("    first call   ")
    assert all(len(line) <= 80 for line in shown)


def test_report_is_json_with_everything() -> None:
    found = json.loads(json.dumps(made(full()).as_dict()))

    assert found["passed"] is True
    assert found["cost_usd"] == 0.01
    assert [hop["hop"] for hop in found["hops"]] == [*hops.ORDER]
    assert found["hops"][0]["first_call"]["max"] == 5.0
    assert found["hops"][0]["later_calls"]["p50"] == 2.0
    assert len(found["questions"]) == 15
    assert found["metrics"][0] == {
        "part": "FanOut", "metric": "Invocations", "statistic": "Sum", "value": 600.0
    }  # fmt: skip
    assert found["checks"][0] == {
        "check": PATH, "outcome": "passed", "text": f"{PATH}: seen", "how": None, "figures": {}
    }  # fmt: skip
    assert json.loads(json.dumps(made(evidence()).as_dict()))["hops"][0]["first_call"] is None


def test_findings_of_one_kind_are_merged() -> None:
    good, bad = judged("call", [], "fine"), judged("call", ["broken"], "fine")

    assert merged("calls", [good, good]) == Finding("calls", "passed", "2 of 2 passed")
    assert merged("calls", [good, bad]) == Finding("calls", "failed", "broken")


def test_many_problems_are_cut() -> None:
    finding = judged("check", [f"problem {number}" for number in range(7)], "")

    assert finding.text == ("problem 0; problem 1; problem 2; problem 3; problem 4; and 2 more")


def _refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "why"}}, "DescribeAlarms")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (_refusal("AccessDenied"), "not_measured"),
        (_refusal("AccessDeniedException"), "not_measured"),
        (_refusal("InternalFailure"), "failed"),
        (EndpointConnectionError(endpoint_url="cloudwatch"), "failed"),
        (GatewayError("HTTP 503", 503), "failed"),
    ],
)
def test_error_becomes_a_finding_and_a_missing_permission_is_no_failure(
    error: Exception, outcome: str
) -> None:
    def fail() -> None:
        raise error

    findings: list[Finding] = []
    with noted(findings, "alarms"):
        fail()

    [finding] = findings
    assert (finding.check, finding.outcome) == ("alarms", outcome)
    assert finding.text
    assert outcome == "failed" or "DescribeAlarms" in finding.how


def test_defect_is_not_taken_for_a_finding() -> None:
    with pytest.raises(KeyError), noted([], "alarms"):
        raise KeyError("a defect")


def test_cost_is_in_cents_and_grows_with_what_is_asked_for() -> None:
    usual = dollars(tracks=0, stay_minutes=0)

    assert 0.01 <= usual <= 0.05
    assert dollars(tracks=100, stay_minutes=0) > usual
    assert dollars(tracks=0, stay_minutes=115) >= usual
