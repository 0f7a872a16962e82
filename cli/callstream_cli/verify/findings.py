"""The results of checks: passed, failed, or not measured for a stated reason. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from botocore.exceptions import ClientError

from callstream_cli.gateway import GatewayError
from callstream_cli.refusals import in_words

type Outcome = Literal["passed", "failed", "not_measured"]

# AWS's codes for a caller who lacks a permission.
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ForbiddenException",
        "UnauthorizedOperation",
    }
)
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    `text` says what was seen or, if nothing was measured, why not; `how` then says how to measure.
    `figures` are for scripts.
    """

    check: str
    outcome: Outcome
    text: str
    figures: Mapping[str, object] = field(default_factory=dict)
    how: str = ""


def judged(check: str, problems: Sequence[str], good: str, **figures: object) -> Finding:
    """A check that has failed if there are problems, and has passed with the text `good` if not."""
    if not problems:
        return Finding(check, "passed", good, figures)
    shown = "; ".join(problems[:_MOST_PROBLEMS])
    if more := len(problems) - _MOST_PROBLEMS:
        shown += f"; and {more} more" if more > 0 else ""
    return Finding(check, "failed", shown, figures)


def merged(check: str, findings: Sequence[Finding]) -> Finding:
    """One finding for several of the same kind: failed if any has failed."""
    problems = [each.text for each in findings if each.outcome == "failed"]
    return judged(check, problems, f"{len(findings)} of {len(findings)} passed")


def unmeasured(check: str, because: str, how: str = "") -> Finding:
    """A check for which something is not there."""
    return Finding(check, "not_measured", because, how=how)


@contextmanager
def noted(findings: list[Finding], check: str) -> Iterator[None]:
    """Turn an error of AWS or the gateway into a finding, so that the other checks go on.

    A missing permission of the caller's is no fault of the stack: then nothing is measured.
    """
    try:
        yield
    except GatewayError as error:
        findings.append(judged(check, [str(error)], ""))
    except Exception as error:
        text = in_words(error)
        if text is None:
            raise
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in _DENIED:
            how = f"give your AWS identity the permission for {error.operation_name}"
            findings.append(unmeasured(check, text, how))
        else:
            findings.append(judged(check, [text], ""))
