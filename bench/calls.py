"""The cost of calls: calls run on the local stack, and billed operations are counted and priced.

Lambda's API gives the deployed functions one more layer and another handler (`bench.metered`), so
nothing between carrier and Kinesis is replaced. Numbers of operations do not depend on the speed
of the machine.
"""

import asyncio
import io
import re
import time
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

import boto3

from bench.billing import Counts
from bench.measures import BenchError, Measure
from bench.samples import FRAME_BYTES, ROOT
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.gateway import GatewayError, media_url
from callstream_cli.local import aws
from callstream_cli.local.description import StackDescription
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.process import free_port
from callstream_cli.local.progress import Silence
from callstream_cli.local.stack import STACK_NAME, LocalStack

LENGTHS: Final = (10, 20, 40)
"""Seconds of audio."""
CROWDS: Final = (1, 2, 4, 8)
"""Calls at once, each of the first length."""
BILLED_MS: Final = (3, 15)
"""Assumed, because an emulator cannot show it: a fast and a slow PutRecord."""
FEE: Final = 0.18
"""API Gateway's price for an hour of one track: 180,000 messages."""
BEYOND_FEE: Final = 0.058
BATCH_WINDOW_SECONDS: Final = 5
"""How long Lambda on AWS collects a batch for the counters function."""
SAME: Final = 1.01
"""The tolerance where values should be equal."""

_FRAMES_A_SECOND: Final = 50
_MINUTE: Final = 60
_HOUR: Final = 3600
_PATIENCE_SECONDS: Final = 60
# Longer than the local batching window of the counters function.
_QUIET_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Played:
    """Some calls, and the operations that were counted meanwhile."""

    calls: int
    seconds: int
    """Of audio."""
    took: float
    """Seconds of wall-clock time."""
    messages: Counts
    """Operations that messages, connections and requests caused."""
    batches: Counts
    """Operations of the counters function. The number of batches depends on time."""
    others: Counts
    """Operations without calls: standing costs, not costs of a call."""

    @property
    def operations_a_call(self) -> float:
        """Operations that messages caused, for each call."""
        return self.messages.operations / self.calls


@dataclass(frozen=True, slots=True)
class Session:
    """All calls of a run."""

    lengths: list[Played]
    crowds: list[Played]
    memory_mb: int

    @property
    def hour(self) -> Counts:
        """An hour of one track: one call's own operations, and those of 60 minutes of audio."""
        shortest, longest = self.lengths[0], self.lengths[-1]
        grown = longest.messages - shortest.messages
        further = (_HOUR - shortest.seconds) / (longest.seconds - shortest.seconds)
        minutes = Counts({"connection minutes": _HOUR / _MINUTE})
        return shortest.messages + grown * further + self._batches_of_an_hour + minutes

    @property
    def _batches_of_an_hour(self) -> Counts:
        """As many batches as on AWS, each the average of the counted batches.

        The local stack makes more batches; the bytes in them grow with the audio.
        """
        batches = Counts()
        for played in self.lengths:
            batches += played.batches
        seconds = sum(played.seconds for played in self.lengths)
        number = batches["Lambda invocations"]
        if not number:
            return batches
        of_an_hour = batches * (_HOUR / BATCH_WINDOW_SECONDS / number)
        read = batches["Kinesis bytes read"] * _HOUR / seconds
        return of_an_hour.replaced({"Kinesis bytes read": read})


def play(state_dir: Path, port: int | None) -> Session:
    """Start a stack for the benchmarks, play the calls, and stop the stack.

    Raises:
        BenchError: the stack failed, or a message was lost, so that counts mean nothing.
    """
    local = LocalStack(ROOT, state_dir=state_dir, port=port or free_port())
    try:
        stack = _Stack(local.up(Silence()), state_dir / "ledger.jsonl", local.log)
        # In this call functions start, and read their secrets.
        stack.play(1, 1)
        lengths = [stack.play(1, seconds) for seconds in LENGTHS]
        crowds = [lengths[0], *(stack.play(calls, LENGTHS[0]) for calls in CROWDS[1:])]
        return Session(lengths, crowds, stack.memory_mb)
    except (LocalStackError, GatewayError) as error:
        raise BenchError(str(error)) from None
    finally:
        local.down()


def meter(description: StackDescription, ledger: Path) -> dict[str, int]:
    """Let all functions of a local stack write what they do to a ledger.

    Returns:
        Each function's memory in MB, by its logical id.
    """
    ledger.unlink(missing_ok=True)
    with aws.talking_to(description["aws_endpoint_url"]):
        functions, cloudformation = boto3.client("lambda"), boto3.client("cloudformation")
    layer = functions.publish_layer_version(
        LayerName="bench", Content={"ZipFile": _metered_layer()}
    )["LayerVersionArn"]
    memory: dict[str, int] = {}
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    for resource in (each for page in pages for each in page["StackResourceSummaries"]):
        if resource["ResourceType"] != "AWS::Lambda::Function":
            continue
        name, logical_id = resource["PhysicalResourceId"], resource["LogicalResourceId"]
        now = functions.get_function_configuration(FunctionName=name)
        memory[logical_id] = now["MemorySize"]
        added = {"BENCH_LEDGER": str(ledger), "BENCH_FUNCTION": logical_id}
        functions.update_function_configuration(
            FunctionName=name,
            Handler="metered.handler",
            Layers=[*(used["Arn"] for used in now.get("Layers", [])), layer],
            Environment={"Variables": now["Environment"]["Variables"] | added},
        )
    return memory


class _Stack:
    """A local stack whose functions are metered."""

    def __init__(self, description: StackDescription, ledger: Path, log: Path) -> None:
        self._description = description
        self._log = log
        self._ledger = ledger
        self._read_to = 0
        self.memory_mb = meter(description, ledger)["MediaFrameFunction"]

    def play(self, calls: int, seconds: int) -> Played:
        """Play concurrent calls of one track, and count until all of them are closed."""
        random = Random(calls * 1000 + seconds)  # noqa: S311  # repeatable, not secret
        audio = random.randbytes(seconds * _FRAMES_A_SECOND * FRAME_BYTES)
        began = time.monotonic()
        reports = asyncio.run(self._place(calls, CallPlan({"inbound": audio})))
        took = time.monotonic() - began
        for report in reports:
            if report.error:
                raise BenchError(f"a call failed: {report.error}")
        counted = Counts.of_ledger(self._lines_of(calls))
        sent = sum(report.messages for report in reports)
        handled = counted["messages"]["WebSocket messages"]
        if handled != sent:
            raise BenchError(
                f"{sent} messages were sent, functions received {handled:.0f}; see {self._log}"
            )
        return Played(calls, seconds, took, **counted)

    async def _place(self, calls: int, plan: CallPlan) -> list[CallReport]:
        # One request after the other: the demo tenant has a rate limit.
        urls = [
            await asyncio.to_thread(media_url, self._description, "autotranscribe")
            for _ in range(calls)
        ]
        return await asyncio.gather(*(place_call(url, plan, speed=0) for url in urls))

    def _lines_of(self, calls: int) -> list[str]:
        """New lines of the ledger, once this number of connections is closed."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        lines: list[str] = []
        grew_at = time.monotonic()
        while time.monotonic() < deadline:
            if new := self._new_lines():
                lines += new
                grew_at = time.monotonic()
            closed = sum(_DISCONNECTED.search(line) is not None for line in lines)
            if closed >= calls and time.monotonic() - grew_at > _QUIET_SECONDS:
                return lines
            time.sleep(0.1)
        raise BenchError(f"{calls} calls were not closed within {_PATIENCE_SECONDS} s")

    def _new_lines(self) -> list[str]:
        with self._ledger.open("rb") as file:
            file.seek(self._read_to)
            # Each line is a single write, so no line is ever incomplete.
            written = file.read()
        self._read_to += len(written)
        return written.decode().splitlines()


_DISCONNECTED: Final = re.compile('"what": "invocation".*"during": "disconnect"')


def _metered_layer() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(ROOT / "bench" / "metered.py", "python/metered.py")
    return content.getvalue()


def cost(session: Session) -> list[Measure]:
    """The cost of an hour of one track."""
    hour = session.hour
    fee = hour.cost("WebSocket messages")
    beyond = {ms: sum(hour.costs(ms, session.memory_mb).values()) - fee for ms in (0, *BILLED_MS)}
    shortest, longest = min(BILLED_MS), max(BILLED_MS)
    a_ms = (beyond[longest] - beyond[shortest]) / (longest - shortest)
    cpu = session.lengths[-1].messages.cpu_seconds("MediaFrameFunction")
    return [
        Measure(
            section="cost",
            name="API Gateway's message fee, an hour of a track",
            value=fee,
            unit="$",
            against="a message a frame",
            floor=FEE,
            budget=SAME,
            digits=4,
        ),
        *(
            Measure(
                section="cost",
                name="all operations beyond the fee"
                if ms == 0
                else f"the same with Lambda's time, at {ms} ms a frame",
                value=dollars,
                unit="$",
                against="the budget",
                floor=BEYOND_FEE,
                # Only operations can be counted; their duration is assumed.
                budget=1 if ms == 0 else None,
                digits=4,
            )
            for ms, dollars in beyond.items()
        ),
        Measure(
            section="cost",
            name="milliseconds a frame at which the budget is used up",
            value=shortest + (BEYOND_FEE - beyond[shortest]) / a_ms,
            unit="ms",
            digits=1,
        ),
        Measure(
            section="cost",
            name="CPU of the deployed media function, a frame, metered",
            value=cpu / (session.lengths[-1].seconds * _FRAMES_A_SECOND) * 1e3,
            unit="ms CPU",
            digits=2,
        ),
    ]


def growth(session: Session) -> list[Measure]:
    """How the number of operations grows with the length and number of calls."""
    return [*_per_frame(session), *_per_minute(session), *_per_call(session)]


def _per_frame(session: Session) -> list[Measure]:
    shortest, longest = session.lengths[0], session.lengths[-1]
    grown = longest.messages - shortest.messages
    frames = (longest.seconds - shortest.seconds) * _FRAMES_A_SECOND
    budgets = {
        "DynamoDB requests": 0.0,
        "Lambda invocations": SAME,
        "Kinesis KB put": SAME,
        "WebSocket messages": SAME,
    }
    return [
        Measure("growth", f"{name}, a further frame", grown[name] / frames, "", budget=budget)
        for name, budget in budgets.items()
    ] + [
        Measure(
            "growth",
            "DynamoDB requests of the counters function, a second here",
            longest.batches["DynamoDB requests"] / longest.took,
            "",
        )
    ]


def _per_minute(session: Session) -> list[Measure]:
    steps = [
        (
            f"{before.seconds} to {after.seconds} s",
            (after.messages - before.messages).operations
            / (after.seconds - before.seconds)
            * _MINUTE,
        )
        for before, after in pairwise(session.lengths)
    ]
    (base_name, base), *others = steps
    return [
        Measure(
            section="growth",
            name=f"operations a further minute, {name}",
            value=slope,
            unit="",
            against=f"from {base_name}",
            floor=base,
            budget=SAME,
            digits=0,
        )
        for name, slope in others
    ]


def _per_call(session: Session) -> list[Measure]:
    alone, *crowds = session.crowds
    return [
        Measure(
            section="growth",
            name=f"operations a call, {crowd.calls} at once",
            value=crowd.operations_a_call,
            unit="",
            against="one alone",
            floor=alone.operations_a_call,
            budget=SAME,
            digits=1,
        )
        for crowd in crowds
    ]
