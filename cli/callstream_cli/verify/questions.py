"""The open questions about AWS, each with this run's answer or why there is none. Pure.

What AWS's documents leave open was assumed when the gateway was built. The questions and their
order are those of docs/verify.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from callstream_cli.verify import hops, provoking, staying
from callstream_cli.verify.evidence import Evidence
from callstream_cli.verify.metrics import HOW, NO_METRICS
from callstream_cli.verify.order import Order, in_words, total
from callstream_cli.verify.path_after_stage import CHECK as PATH_AFTER_STAGE

SIGNED: Final = "Twilio's signature"
_ONE_SHARD: Final = "1"
_MANY_TRACKS: Final = 20
_SWEEP_SECONDS: Final = 60
"""The sweep closes streams that have been quiet for so long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; or None, with the reason and how to get one."""

    question: str
    answer: str | None
    because: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class _Unknown:
    because: str
    how: str = ""


def answers(evidence: Evidence) -> list[Answer]:
    """An answer to every question."""
    found: list[Answer] = []
    for question, answer in _QUESTIONS:
        match answer(evidence):
            case str() as text:
                found.append(Answer(question, text))
            case _Unknown(because, how):
                found.append(Answer(question, None, because, how))
    return found


def _order(evidence: Evidence) -> str | _Unknown:
    of = total([*evidence.first_orders, *evidence.orders])
    if not of.frames:
        return _Unknown("no frame has come")
    if evidence.is_local:
        return _Unknown("the emulator handles the frames of a connection one after the other", HOW)
    return (
        f"{of.overtaken_before} of {of.frames} frames came to API Gateway after a later frame, by "
        f"its own clock; {of.overtaken} came to Kinesis after a later frame{in_words(of)}"
    )


def _cold_call(evidence: Evidence) -> str | _Unknown:
    if evidence.metrics is None:
        return _Unknown(NO_METRICS, HOW)
    of = total(evidence.first_orders)
    environments = evidence.metrics.value("MediaFrame", "ConcurrentExecutions", "Maximum")
    throttled = evidence.metrics.value("MediaFrame", "Throttles") or 0
    first = evidence.hops.of[hops.FIRST_FRAME].first
    waited = f"{max(first):.0f} ms" if first else "unknown"
    return (
        f"of the run's first call, {_late(of)} came too late, and the first frame took {waited}; "
        f"at most {environments or 0:.0f} frame functions ran at once, and {throttled:.0f} frames "
        f"were refused. WarmUp={evidence.parameters.get('WarmUp', '')}: with true, its media URL "
        "has started the functions. Run this right after a deployment, with either value"
    )


def _late(of: Order) -> str:
    return f"{of.late} of {of.frames} frames"


def _disconnect(evidence: Evidence) -> str | _Unknown:
    waits = [each.seconds for each in evidence.endings if each.seconds is not None]
    if not waits:
        return _Unknown("no connection has ended after a stop")
    soon = sum(each < _SWEEP_SECONDS for each in waits)
    text = (
        f"{soon} of {len(evidence.endings)} streams were closed by it, at most {max(waits):.1f} s "
        "after the carrier's stop"
    )
    match evidence.without_stream:
        case None:
            return f"{text}; whether the event named the stream is not known without the logs"
        case 0:
            return f"yes: {text}, and every event named its stream"
        case count:
            return f"no: {count} events did not name their stream, which was looked for; {text}"


def _provoked(check: str) -> Callable[[Evidence], str | _Unknown]:
    def answer(evidence: Evidence) -> str | _Unknown:
        finding = evidence.finding(check)
        if finding is None:
            because = "nothing was broken: an alarm would fire, and notify whoever reads its topic"
            return _Unknown(because, "run the command with --provoke")
        return _of(evidence, check)

    return answer


def _of(evidence: Evidence, check: str) -> str | _Unknown:
    """The text of a check."""
    finding = evidence.finding(check)
    if finding is None:
        return _Unknown("the check was not made")
    if finding.outcome == "not_measured":
        return _Unknown(finding.text, finding.how)
    return f"{'yes' if finding.outcome == 'passed' else 'no'}: {finding.text}"


def _post(evidence: Evidence) -> str | _Unknown:
    times = hops.statistics(evidence.hops.of[hops.RETURNED].later)
    if times is None:
        return _Unknown("no audio came back through a fork")
    return (
        f"from a consumer through the relay to the carrier's connection p50 {times['p50']} ms, "
        f"p99 {times['p99']} ms, with the relay's present memory. For another size change "
        "MemorySize of RelayFunction in template.yaml, deploy, and run this again"
    )


def _fan_out(evidence: Evidence) -> str | _Unknown:
    if evidence.metrics is None:
        return _Unknown(NO_METRICS, HOW)
    calls = evidence.metrics.value("FanOut", "Invocations")
    if not calls:
        return _Unknown("CloudWatch has no invocations of the fan-out function yet", "run it again")
    reads = evidence.parameters.get("EnhancedFanOut", "")
    return (
        f"{calls / evidence.metrics.seconds:.1f} invocations a second in the mean, with "
        f"EnhancedFanOut={reads} and up to {6 + 6 + evidence.options.tracks} tracks. For others "
        f"use --tracks {_MANY_TRACKS}, and deploy with the other value of EnhancedFanOut"
    )


def _one_shard(evidence: Evidence) -> str | _Unknown:
    how = "deploy a stack with FrameShards=1, and run the command with --tracks 25"
    if evidence.is_local:
        return _Unknown("the emulator's shards take any number of records", how)
    if evidence.parameters.get("FrameShards") != _ONE_SHARD:
        return _Unknown("the stack has more than one shard", how)
    if evidence.options.tracks < _MANY_TRACKS:
        return _Unknown("too few tracks were streamed at the same time", how)
    refused = (
        evidence.metrics.value("FramesStream", "WriteProvisionedThroughputExceeded")
        if evidence.metrics
        else None
    )
    return (
        f"{evidence.options.tracks} tracks beside the usual calls: {refused or 0:.0f} records were "
        f"refused at first, and {_late(total(evidence.orders))} came too late. A rescue needs a "
        "relay that dies, which this command cannot cause"
    )


def _stays(evidence: Evidence) -> str | _Unknown:
    how = "run the command with --stay 12"
    if evidence.marks is None:
        return _Unknown("no connection stayed open for longer than 10 minutes", how)
    if evidence.is_local:
        return _Unknown("the local stack has no CloudFront", f"{HOW} and --stay 12")
    if evidence.options.stay_minutes <= staying.IDLE_MINUTES:
        return _Unknown("the connection stayed open for no longer than 10 minutes", how)
    return f"{_of(evidence, staying.CHECK)}. Whether pings of a carrier's count is not measured"


def _error_frames(evidence: Evidence) -> str | _Unknown:
    if evidence.error_messages:
        return f"{evidence.error_messages} text messages came that no carrier's document knows"
    return _Unknown(
        "no frame was refused or failed, and no message came that is not a carrier's",
        "lower the throttling of MediaApi's route `media` on a stack for tests, and run this",
    )


def _latency(evidence: Evidence) -> str | _Unknown:
    inside = hops.statistics(evidence.hops.of[hops.IN_GATEWAY].later)
    forked = hops.statistics(evidence.hops.of[hops.FORKED].later)
    if inside is None:
        return _Unknown("no frame has come")
    text = f"API Gateway to Kinesis p50 {inside['p50']} ms, p99 {inside['p99']} ms"
    if forked:
        text += f"; through a fork and back p50 {forked['p50']} ms, p99 {forked['p99']} ms"
    if evidence.is_local:
        return _Unknown(f"the emulator is not AWS; here: {text}", HOW)
    put = evidence.metrics and evidence.metrics.value(
        "FramesStream", "PutRecord.Latency", "Average"
    )
    if put:
        text += f"; PutRecord itself {put:.1f} ms in the mean"
    return f"{text}; EnhancedFanOut={evidence.parameters.get('EnhancedFanOut', '')}"


def _not_used(because: str, how: str) -> Callable[[Evidence], str | _Unknown]:
    return lambda _: _Unknown(because, how)


def _signature(evidence: Evidence) -> str | _Unknown:
    answer = _of(evidence, SIGNED)
    if evidence.is_local:
        return _Unknown("the local stack has no CloudFront; its signature check works", HOW)
    if isinstance(answer, str):
        answer += (
            "; signed as Twilio documents: the URL as it was asked for. That Twilio signs so needs "
            "a call of Twilio's"
        )
    return answer


_QUESTIONS: Final[Sequence[tuple[str, Callable[[Evidence], str | _Unknown]]]] = (
    ("Does API Gateway keep the frames of a connection in order?", _order),
    ("What does a first call meet: environments, refused and late frames?", _cold_call),
    ("Does a path after the stage open a connection?", lambda it: _of(it, PATH_AFTER_STAGE)),
    ("Does $disconnect know which stream has ended?", _disconnect),
    ("What does a refused or failed frame look like to the carrier?", _error_frames),
    ("Does an alarm fire after one error of a function?", _provoked(provoking.ALARM)),
    (
        "Does one handshake's 5xx at CloudFront spare the others?",
        _provoked(provoking.OTHERS),
    ),
    ("Does a connection without audio back stay open for longer than 10 minutes?", _stays),
    ("Is Twilio's signature accepted for the URL as it was asked for?", _signature),
    ("How long do PutRecord, and a fork, take?", _latency),
    ("How often is the fan-out function called?", _fan_out),
    ("How long does audio take from a relay to the carrier's connection?", _post),
    ("What happens to 25 tracks on one shard, with a rescue meanwhile?", _one_shard),
    (
        "Does Amazon Transcribe take mu-law as it is?",
        _not_used(
            "the gateway decodes audio for Amazon Transcribe, and does not need it",
            "start a stream of Amazon Transcribe with the media encoding g711-ulaw",
        ),
    ),
    (
        "What does API Gateway's mapping template make of a message, without a function?",
        _not_used(
            "the template has no such integration",
            "add an integration of the type AWS with the action PutRecord to an API for tests",
        ),
    ),
)
