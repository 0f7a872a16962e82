"""The report of a run: as text, and for scripts. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from callstream_cli.verify.evidence import Evidence
from callstream_cli.verify.findings import Outcome
from callstream_cli.verify.hops import ORDER, statistics
from callstream_cli.verify.questions import Answer, answers

_SIGNS: Final[Mapping[Outcome, str]] = {"passed": "✓", "failed": "✗", "not_measured": "-"}
_KINDS: Final = ("p50", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    stack: str
    region: str
    cost: float
    """In US dollars, by list price."""
    ended_at: datetime
    evidence: Evidence
    left: Sequence[str] = ()
    """What the run leaves behind, in words."""
    answers: Sequence[Answer] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether no check has failed."""
        return not any(each.outcome == "failed" for each in self.evidence.findings)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON; times are in milliseconds, `null` is what was not measured."""
        evidence = self.evidence
        return {
            "passed": self.passed,
            "stack": self.stack,
            "region": self.region,
            "local": evidence.is_local,
            "parameters": dict(evidence.parameters),
            "began_at": evidence.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "cost_usd": self.cost,
            "checks": [
                {
                    "check": each.check,
                    "outcome": each.outcome,
                    "text": each.text,
                    "how": each.how or None,
                    "figures": dict(each.figures),
                }
                for each in evidence.findings
            ],
            "hops": [
                {
                    "hop": name,
                    "first_call": statistics(evidence.hops.of[name].first),
                    "later_calls": statistics(evidence.hops.of[name].later),
                }
                for name in ORDER
            ],
            "metrics": evidence.metrics and evidence.metrics.as_list(),
            "questions": [
                {
                    "question": each.question,
                    "answer": each.answer,
                    "because": each.because or None,
                    "how": each.how or None,
                }
                for each in self.answers
            ],
            "left_behind": list(self.left),
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """The report as text: the label of a line, which may be empty, and the line."""
        findings = self.evidence.findings
        began = f"{self.evidence.began_at:%Y-%m-%d %H:%M} UTC"
        yield "", f"Checks of {self.stack}, {self.region}, {began}"
        width = max((len(each.check) for each in findings), default=0)
        for each in findings:
            text = each.text if each.outcome != "not_measured" else f"not measured: {each.text}"
            how = f". To measure: {each.how}" if each.how else ""
            yield f"{_SIGNS[each.outcome]} {each.check:<{width}}  ", f"{text}{how}"
        yield "", ""
        yield "", "Times in ms; the first call is cold if nobody called for some minutes"
        for name in ORDER:
            hop = self.evidence.hops.of[name]
            yield "  ", name
            yield "    first call   ", _times(statistics(hop.first))
            yield "    later calls  ", _times(statistics(hop.later))
        yield "", ""
        yield "", "Questions about AWS"
        for answer in self.answers:
            yield "  ", answer.question
            if answer.answer is not None:
                yield "    ", answer.answer
            else:
                how = f". To measure: {answer.how}" if answer.how else ""
                yield "    ", f"not measured: {answer.because}{how}"
        yield "", ""
        for text in self.left:
            yield "", f"Left behind: {text}"
        counts = {outcome: sum(each.outcome == outcome for each in findings) for outcome in _SIGNS}
        verdict = "✓ The stack works" if self.passed else "✗ The stack does not work as it should"
        yield (
            "",
            (
                f"{verdict}: {counts['passed']} checks passed, {counts['failed']} failed, "
                f"{counts['not_measured']} not measured."
            ),
        )


def report(
    evidence: Evidence,
    *,
    stack: str,
    region: str,
    cost: float,
    ended_at: datetime,
    left: Sequence[str],
) -> Report:
    """The report of a run that is over."""
    return Report(stack, region, cost, ended_at, evidence, left, answers(evidence))


def _times(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "not measured"
    if found["count"] == 1:
        return f"{found['max']:.0f}"
    return ", ".join(f"{kind} {found[kind]:.0f}" for kind in _KINDS)
