"""Milliseconds from carrier to consumer, against the same path with handlers that only pass on.

Both ways are deployed to the same emulator and take turns, so that what the emulator takes is on
both sides. A simulated carrier speaks in real time to each, and consumers in this process hear it.
"""

import asyncio
import io
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

import boto3
from botocore.exceptions import WaiterError

from bench.measures import BenchError, Measure
from bench.samples import FRAME_BYTES, ROOT
from callstream.dialects.events import Media
from callstream.frames.records import RecordEvent
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.demo.landing import percentile
from callstream_cli.gateway import GatewayError, fork_as_telnyx, media_url
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Listener
from callstream_cli.local import aws
from callstream_cli.local.description import StackDescription
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.process import free_port
from callstream_cli.local.progress import Silence
from callstream_cli.local.stack import STACK_NAME, LocalStack

BUDGET: Final = 1.25
ROUNDS: Final = 4
"""Of each side."""
SECONDS: Final = 15
"""Of audio in a round."""

_FLOOR: Final = ROOT / "bench" / "floor"
_FLOOR_STACK: Final = "callstream-floor"
_PACKAGE: Final = "floor.zip"
_FRAMES_A_SECOND: Final = 50
# What comes while a fork joins has waited for that. So much later it has not.
_JOINING_SECONDS: Final = 2.0
# Half a round must have come after that, for a percentile to mean something.
_FEWEST: Final = SECONDS * _FRAMES_A_SECOND // 2
_PATIENCE_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.1


class Way(Protocol):
    """How a call gets from a carrier to a consumer."""

    name: str

    def url(self) -> str:
        """Where the carrier connects to, for one call."""

    def fork(self, call_id: str, consumer_url: str) -> None:
        """Have that call sent to a consumer, from about now on."""


def measure(state_dir: Path, port: int | None) -> list[Measure]:
    """Start a stack of our own, deploy the floor beside it, and let both take turns.

    Raises:
        BenchError: they cannot be, or too little came through.
    """
    local = LocalStack(ROOT, state_dir=state_dir, port=port or free_port())
    try:
        description = local.up(Silence())
        ways: tuple[Way, Way] = (_Ours(description), _Floor(description))
        rounds: tuple[list[Sequence[float]], list[Sequence[float]]] = ([], [])
        # In the first one, functions start.
        for number in range(ROUNDS + 1):
            for way, found in zip(ways, rounds, strict=True):
                played = asyncio.run(_Round(way, number).play())
                if number:
                    found.append(played)
    except (LocalStackError, GatewayError) as error:
        raise BenchError(str(error)) from None
    finally:
        local.down()
    return compared(*rounds)


def compared(ours: Sequence[Sequence[float]], floor: Sequence[Sequence[float]]) -> list[Measure]:
    """The lines of the result, of both sides' rounds; the smallest of each side counts.

    Raises:
        BenchError: a round is too short.
    """
    if (fewest := min(map(len, (*ours, *floor)))) < _FEWEST:
        raise BenchError(f"of a round, {fewest} frames can be compared, fewer than {_FEWEST}")
    return [
        Measure(
            section="latency",
            name=f"carrier to consumer, p{percent}",
            value=min(percentile(found, percent) for found in ours),
            unit="ms",
            against="the same path, empty handlers",
            floor=min(percentile(found, percent) for found in floor),
            budget=budget,
            digits=1,
        )
        for percent, budget in ((50, BUDGET), (95, None))
    ]


@dataclass
class _Round:
    """One call over one of the ways."""

    way: Way
    number: int
    _heard_at: dict[bytes, float] = field(default_factory=dict)
    """When each frame came, by its audio, of which no two are the same."""
    _report: CallReport | None = None

    async def play(self) -> list[float]:
        """Play it; milliseconds of each frame that was sent once the consumer had joined.

        Raises:
            BenchError: frames were lost, or the call has failed.
        """
        random = Random(self.number)  # noqa: S311  # repeatable, not secret
        plan = CallPlan({"inbound": random.randbytes(SECONDS * _FRAMES_A_SECOND * FRAME_BYTES)})
        url = await asyncio.to_thread(self.way.url)
        async with Listener(keep=False, watch=self._hear) as listener:
            call = asyncio.create_task(place_call(url, plan, watch=self._begin))
            await _until(lambda: call.done() or (self._report and self._report.messages))
            if self._report is not None:
                call_id = self._report.identity.call_id
                await asyncio.to_thread(self.way.fork, call_id, listener.url)
            report = await call
            last = report.audio("inbound")[-FRAME_BYTES:]
            await _until(lambda: last in self._heard_at)
        if report.error:
            raise BenchError(f"a call went wrong: {report.error}")
        try:
            return latencies(report, self._heard_at)
        except BenchError as error:
            raise BenchError(f"round {self.number}, {self.way.name}: {error}") from None

    def _begin(self, report: CallReport) -> None:
        self._report = report

    def _hear(self, _: ForkState, event: RecordEvent) -> None:
        if isinstance(event, Media):
            self._heard_at.setdefault(event.audio, time.time())


def latencies(report: CallReport, heard_at: dict[bytes, float]) -> list[float]:
    """Milliseconds of each frame that was sent once the consumer had joined.

    Args:
        report: of the call.
        heard_at: when each frame came, in seconds since 1970, by its audio.

    Raises:
        BenchError: some of them have not come.
    """
    audio = report.audio("inbound")
    joined_at = min(heard_at.values(), default=0.0) + _JOINING_SECONDS
    found: list[float] = []
    lost = 0
    for chunk, start in enumerate(range(0, len(audio), FRAME_BYTES), 1):
        sent_at = report.frame_sent_at("inbound", chunk)
        if sent_at is None or sent_at < joined_at:
            continue
        at = heard_at.get(audio[start : start + FRAME_BYTES])
        if at is None:
            lost += 1
        else:
            found.append((at - sent_at) * 1000)
    if lost:
        raise BenchError(f"{lost} of {lost + len(found)} frames have not come to the consumer")
    return found


async def _until(condition: Callable[[], object]) -> None:
    """Wait, but not for ever: what is missing then is found missing by who looks."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110  # as in the demo
        await asyncio.sleep(_LOOK_SECONDS)


class _Ours:
    """The deployed template."""

    name = "the deployed template"

    def __init__(self, description: StackDescription) -> None:
        self._description = description

    def url(self) -> str:
        """A media URL of ASAPP's."""
        return media_url(self._description, "autotranscribe")

    def fork(self, call_id: str, consumer_url: str) -> None:
        """By Telnyx's command, as soon as the call is known."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fork_as_telnyx(self._description, call_id, consumer_url)
            except GatewayError as error:
                if error.status is None or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return


class _Floor:
    """bench/floor, deployed beside it."""

    name = "the floor"

    def __init__(self, description: StackDescription) -> None:
        with aws.talking_to(description["aws_endpoint_url"]):
            s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
            self._functions = boto3.client("lambda")
        s3.create_bucket(Bucket=_FLOOR_STACK)
        s3.put_object(Bucket=_FLOOR_STACK, Key=_PACKAGE, Body=_package())
        parameters = {
            "Bucket": _FLOOR_STACK,
            "Key": _PACKAGE,
            "SocketsLayer": _sockets_layer(cloudformation),
            "Endpoint": description["aws_endpoint_url"].rpartition("/")[2],
        }
        cloudformation.create_stack(
            StackName=_FLOOR_STACK,
            TemplateBody=(_FLOOR / "template.yaml").read_text(),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        try:
            cloudformation.get_waiter("stack_create_complete").wait(
                StackName=_FLOOR_STACK, WaiterConfig={"Delay": 1, "MaxAttempts": _PATIENCE_SECONDS}
            )
        except WaiterError as error:
            raise BenchError(f"the floor cannot be deployed: {error}") from None
        [stack] = cloudformation.describe_stacks(StackName=_FLOOR_STACK)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self._media_url = outputs["MediaUrl"]
        self._feed_url = outputs["FeedUrl"]
        self._pump = outputs["PumpFunction"]

    def url(self) -> str:
        """Always the same."""
        return self._media_url

    def fork(self, call_id: str, consumer_url: str) -> None:  # noqa: ARG002  # there is one call
        """Start a pump."""
        self._functions.invoke(
            FunctionName=self._pump,
            InvocationType="Event",
            Payload=json.dumps({"consumer_url": consumer_url, "feed_url": self._feed_url}).encode(),
        )


def _package() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(_FLOOR.glob("*.py")):
            archive.write(path, path.name)
    return content.getvalue()


def _sockets_layer(cloudformation: Any) -> str:  # noqa: ANN401  # clients have no common type
    """The one of the deployed template: both sides have the same WebSockets."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    return next(
        str(resource["PhysicalResourceId"])
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["LogicalResourceId"].startswith("SocketsLayer")
    )
