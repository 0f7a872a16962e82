"""Places the calls of one command, forks them, and shows how far they are."""

import asyncio
import dataclasses
import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from rich.progress_bar import ProgressBar
from rich.table import Table

from callstream_cli import live_display
from callstream_cli.carrier import forking
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.carrier.staying import ForkDialect
from callstream_cli.consoles import SafeConsole
from callstream_cli.gateway import GatewayError
from callstream_cli.local.description import StackDescription
from callstream_cli.plain_output import print_error


@dataclass(frozen=True, slots=True)
class Fork:
    """A command that forks a call."""

    url: str
    """Where to; may be empty if the command needs none."""
    dialect: ForkDialect
    command: forking.ForkCommand
    failure: str = "the call is not forked"
    """What a refusal means for the call."""


@dataclass(frozen=True, slots=True)
class Forks:
    """The command that forks the calls, and where it is sent to."""

    fork: Fork
    stack: StackDescription


@dataclass(slots=True)
class Placed:
    """How the calls went."""

    reports: list[CallReport] = field(default_factory=list)
    interrupted: bool = False
    """Whether Ctrl-C ended the calls."""
    not_forked: bool = False

    @property
    def failed(self) -> bool:
        """Whether a call was not made, was cut short, or was not forked."""
        return self.not_forked or any(report.error for report in self.reports)

    def hang_up(self) -> None:
        """End the calls in order."""
        self.interrupted = True
        for report in self.reports:
            report.hang_up()


async def place(
    console: SafeConsole, urls: Sequence[str], plan: CallPlan, speed: float, forks: Forks | None
) -> Placed:
    """Place a call to each URL."""
    plans = [
        # The calls of one run differ even if the run is repeatable.
        plan if plan.seed is None else dataclasses.replace(plan, seed=plan.seed + index)
        for index in range(len(urls))
    ]
    placed = Placed()
    forkings: list[asyncio.Task[None]] = []
    if plan.sequel is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, placed.hang_up)

    def connected(report: CallReport) -> None:
        console.print_line(ids(report))
        if forks is not None:
            call_id = report.identity.call_id
            forkings.append(asyncio.create_task(_fork(call_id, forks, placed)))

    async with _progress(console, placed, Carrier(plan).frame_count, len(urls)):
        await asyncio.gather(
            *(
                place_call(url, plan, speed=speed, watch=placed.reports.append, connected=connected)
                for url, plan in zip(urls, plans, strict=True)
            )
        )
        # The command for a short call may still be on its way.
        await asyncio.gather(*forkings)
    return placed


def ids(report: CallReport) -> str:
    """A call's ids, for people."""
    return f"call {report.identity.call_id}, stream {report.identity.stream_id}"


async def _fork(call_id: str, forks: Forks, placed: Placed) -> None:
    try:
        await forking.fork(forks.fork.command, forks.stack, call_id, forks.fork.url)
    except GatewayError as error:
        placed.not_forked = True
        print_error(f"{forks.fork.failure}: {error}")


def _progress(
    console: SafeConsole, placed: Placed, frames: int | None, calls: int
) -> AbstractAsyncContextManager[None]:
    total = None if frames is None else frames * calls

    def done() -> int:
        fates = [report.fates for report in placed.reports]
        return sum(each.total() - each[Fate.DUPLICATE] for each in fates)

    def line() -> str:
        return f"{done()} frames" if total is None else f"{done()} of {total} frames"

    def picture() -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(total, done(), width=40), line())
        return grid

    return live_display.shown(console, picture, line)
