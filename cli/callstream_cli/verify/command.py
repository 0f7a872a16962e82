"""``callstream verify``."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from callstream_cli import event_loop
from callstream_cli.consoles import SafeConsole
from callstream_cli.deployment import outputs_of
from callstream_cli.hanging import print_hanging
from callstream_cli.local.progress import ConsoleProgress
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.options import Json, Stack, Yes, confirm
from callstream_cli.operator.output import show_json
from callstream_cli.verify import tenants
from callstream_cli.verify.costs import dollars
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.evidence import Evidence, Options
from callstream_cli.verify.findings import judged
from callstream_cli.verify.report import Report, report
from callstream_cli.verify.run import Run, left_behind

_INTERRUPTED: Final = 130
_CLEANING: Final = "cleaning up"
_MOST_MINUTES: Final = 115
"""API Gateway closes a connection after two hours."""
_MOST_TRACKS: Final = 100


def verify(
    *,
    provoke: Annotated[
        bool,
        typer.Option(
            "--provoke",
            help="Make one handshake fail on purpose: an alarm must fire, and the next handshake "
            "must not fail. Whoever reads the alarms' topic is notified.",
        ),
    ] = False,
    stay: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=_MOST_MINUTES,
            metavar="MINUTES",
            help="Also keep a nearly silent connection open so long. CloudFront closes those that "
            "are idle for 10 minutes: 12 shows whether the keep-alive marks suffice.",
        ),
    ] = 0.0,
    tracks: Annotated[
        int,
        typer.Option(
            min=0,
            max=_MOST_TRACKS,
            help="Also make so many calls of one track at the same time.",
        ),
    ] = 0,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Prove that a deployed stack works, and measure it.

    Makes two tenants of its own, and deletes them at the end, also after Ctrl-C. Calls the gateway
    in each carrier's dialect, forks the calls back into the gateway's own media URLs, and compares
    every bit and the order on Kinesis; tries forged, expired and used tokens; measures each hop of
    the way; looks at throttles, late frames, alarms, dead-letter queues and logs. Needs no server.

    On AWS it costs some cents, shows how much first, and asks. Takes about half a minute on the
    local stack, and about 5 minutes on AWS, where metrics come late. The first call is cold if
    nobody has called for some minutes.

    Ends with status 1 if a check fails. What cannot be measured is named, with the reason.
    """
    options = Options(provoke=provoke, stay_minutes=stay, tracks=tracks)
    cost = 0.0 if stack is None else dollars(tracks=tracks, stay_minutes=stay)
    console = SafeConsole(stderr=True)
    try:
        with _interruptible(), outputs_of(stack) as outputs:
            deployed = Deployed.of(stack, outputs)
            _announce(console, deployed, cost, options, yes=yes)
            made = _verify(console, deployed, Administration(outputs), options, cost)
    except KeyboardInterrupt:
        console.print_line("Interrupted. The tenants of the run are deleted.")
        raise typer.Exit(_INTERRUPTED) from None
    if as_json:
        show_json(made.as_dict())
    else:
        shown = SafeConsole()
        for label, text in made.lines():
            print_hanging(shown, label, text)
    raise typer.Exit(0 if made.passed else 1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let `kill` and a closed terminal end the command as Ctrl-C does, so that it cleans up."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    saved = [(number, signal.signal(number, signal.default_int_handler)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in saved:
            signal.signal(number, handler)


def _announce(
    console: SafeConsole, deployed: Deployed, cost: float, options: Options, *, yes: bool
) -> None:
    """Say what the run costs and who may be notified, and ask. Raises `typer.Abort` on no."""
    if deployed.is_local:
        console.print_line("On the local stack this costs nothing.")
        return
    said = f"Costs about ${cost:.2f}, by list price, in {deployed.region}"
    if options.provoke:
        said += "; an alarm will notify whoever reads its topic"
    console.print_line(f"{said}.")
    confirm(f"Make calls on {deployed.name}?", yes=yes)


def _verify(
    console: SafeConsole,
    deployed: Deployed,
    administration: Administration,
    options: Options,
    cost: float,
) -> Report:
    progress = ConsoleProgress(console)
    evidence = Evidence(deployed.is_local, deployed.parameters, options, began_at=datetime.now(UTC))
    old = tenants.abandoned(administration, evidence.began_at)
    if old:
        with progress.step("Deleting the tenants of a run that was killed"):
            tenants.delete(administration, old)
    left: list[str] = []
    try:
        with tenants.parties(deployed, administration) as parties:
            left += left_behind(deployed, (parties.caller.id, parties.consumer.id))
            event_loop.run(Run(deployed, administration, parties, evidence, progress).checks())
    except tenants.NotDeleted as error:
        evidence.findings.append(judged(_CLEANING, [str(error)], ""))
    else:
        evidence.findings.append(judged(_CLEANING, [], "the tenants of the run are deleted"))
    return report(
        evidence,
        stack=deployed.name,
        region=deployed.region,
        cost=cost,
        ended_at=datetime.now(UTC),
        left=left,
    )
