"""Milliseconds from carrier to consumer, compared with the same path with empty handlers.

Both paths are deployed to the same emulator and take turns, so that the emulator's time is on both
sides. A simulated carrier sends in real time; consumers in this process receive.
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

BUDGETS: Final = {50: 1.15, 95: 1.5}
"""Of percentiles."""
ROUNDS: Final = 4
"""Rounds of each side."""
SECONDS: Final = 15
"""Seconds of audio in a round."""

_FLOOR: Final = ROOT / "bench" / "floor"
_FLOOR_STACK: Final = "callstream-floor"
_PACKAGE: Final = "floor.zip"
_FRAMES_A_SECOND: Final = 50
# Frames that arrive while a fork joins have waited. After this time frames no longer wait.
_JOINING_SECONDS: Final = 2.0
# A percentile needs at least half of a round.
_FEWEST: Final = SECONDS * _FRAMES_A_SECOND // 2
_PATIENCE_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.1


class Route(Protocol):
    """A path of a call from a carrier to a consumer."""

    name: str

    def url(self) -> str:
        """The URL that the carrier connects to, for one call."""

    def fork(self, call_id: str, consumer_url: str) -> None:
        """Fork the call to a consumer, from about now on."""


def measure(state_dir: Path, port: int | None) -> list[Measure]:
    """Start a stack for the benchmarks, deploy the floor beside it, and play both in turns.

    Raises:
        BenchError: a deployment failed, or too few frames arrived.
    """
    local = LocalStack(ROOT, state_dir=state_dir, port=port or free_port())
    try:
        description = local.up(Silence())
        routes: tuple[Route, Route] = (_Ours(description), _Floor(description))
        rounds: tuple[list[Sequence[float]], list[Sequence[float]]] = ([], [])
        # In the first round, functions start.
        for number in range(ROUNDS + 1):
            for route, found in zip(routes, rounds, strict=True):
                played = asyncio.run(_Round(route, number).play())
                if number:
                    found.append(played)
    except (LocalStackError, GatewayError) as error:
        raise BenchError(str(error)) from None
    finally:
        local.down()
    return compared(*rounds)


def compared(ours: Sequence[Sequence[float]], floor: Sequence[Sequence[float]]) -> list[Measure]:
    """Compare the rounds of both sides; the smallest round of each side counts.

    Raises:
        BenchError: a round is too short.
    """
    if (fewest := min(map(len, (*ours, *floor)))) < _FEWEST:
        raise BenchError(f"a round has {fewest} frames to compare, fewer than {_FEWEST}")
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
        for percent, budget in BUDGETS.items()
    ]


@dataclass
class _Round:
    """One call on one of the routes."""

    route: Route
    number: int
    _received_at: dict[bytes, float] = field(default_factory=dict)
    """When each frame arrived, by its audio; no two frames have the same audio."""
    _report: CallReport | None = None

    async def play(self) -> list[float]:
        """Play the call; milliseconds of each frame that was sent after the consumer joined.

        Raises:
            BenchError: frames were lost, or the call failed.
        """
        random = Random(self.number)  # noqa: S311  # repeatable, not secret
        plan = CallPlan({"inbound": random.randbytes(SECONDS * _FRAMES_A_SECOND * FRAME_BYTES)})
        url = await asyncio.to_thread(self.route.url)
        async with Listener(keep=False, watch=self._receive) as listener:
            call = asyncio.create_task(place_call(url, plan, watch=self._begin))
            await _until(lambda: call.done() or (self._report and self._report.messages))
            if self._report is not None:
                call_id = self._report.identity.call_id
                await asyncio.to_thread(self.route.fork, call_id, listener.url)
            report = await call
            last = report.audio("inbound")[-FRAME_BYTES:]
            await _until(lambda: last in self._received_at)
        if report.error:
            raise BenchError(f"a call failed: {report.error}")
        try:
            return latencies(report, self._received_at)
        except BenchError as error:
            raise BenchError(f"round {self.number}, {self.route.name}: {error}") from None

    def _begin(self, report: CallReport) -> None:
        self._report = report

    def _receive(self, _: ForkState, event: RecordEvent) -> None:
        if isinstance(event, Media):
            self._received_at.setdefault(event.audio, time.time())


def latencies(report: CallReport, received_at: dict[bytes, float]) -> list[float]:
    """Milliseconds of each frame that was sent after the consumer joined.

    Args:
        report: the report of the call.
        received_at: when each frame arrived, in seconds since 1970, by its audio.

    Raises:
        BenchError: some frames did not arrive.
    """
    audio = report.audio("inbound")
    joined_at = min(received_at.values(), default=0.0) + _JOINING_SECONDS
    found: list[float] = []
    lost = 0
    for chunk, start in enumerate(range(0, len(audio), FRAME_BYTES), 1):
        sent_at = report.frame_sent_at("inbound", chunk)
        if sent_at is None or sent_at < joined_at:
            continue
        at = received_at.get(audio[start : start + FRAME_BYTES])
        if at is None:
            lost += 1
        else:
            found.append((at - sent_at) * 1000)
    if lost:
        raise BenchError(f"{lost} of {lost + len(found)} frames did not reach the consumer")
    return found


async def _until(condition: Callable[[], object]) -> None:
    """Wait for a condition, at most a minute. Callers check the result themselves."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110  # as in the demo
        await asyncio.sleep(_LOOK_SECONDS)


class _Ours:
    """The deployed template."""

    name = "the deployed template"

    def __init__(self, description: StackDescription) -> None:
        self._description = description

    def url(self) -> str:
        """A media URL of ASAPP's surface."""
        return media_url(self._description, "autotranscribe")

    def fork(self, call_id: str, consumer_url: str) -> None:
        """Send Telnyx's command as soon as the call is known."""
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
    """The stack of bench/floor, on the same emulator."""

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
        """The floor's URL, the same for all calls."""
        return self._media_url

    def fork(self, call_id: str, consumer_url: str) -> None:  # noqa: ARG002  # there is one call
        """Start the pump function."""
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
    """The layer of the deployed template, so that both sides use the same WebSocket client."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    return next(
        str(resource["PhysicalResourceId"])
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["LogicalResourceId"].startswith("SocketsLayer")
    )
