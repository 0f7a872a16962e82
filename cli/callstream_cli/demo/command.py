"""``callstream demo``."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from random import SystemRandom
from typing import Final

import typer

from callstream.adapters.aws.kinesis_reader import FrameStreamReader, kinesis_client
from callstream.adapters.speech import moonshine
from callstream.errors import Unavailable
from callstream_cli import audio, event_loop, live_display
from callstream_cli.carrier.command import INTERRUPTED
from callstream_cli.carrier.identity import made_up
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.consoles import SafeConsole
from callstream_cli.demo import conversation
from callstream_cli.demo.display import DemoView
from callstream_cli.demo.forking import fork, listening
from callstream_cli.demo.rehearsal import rehearse
from callstream_cli.demo.summary import LABEL, of_a_busy_machine, of_call, of_fork, of_transcript
from callstream_cli.demo.transcript import in_words
from callstream_cli.demo.verdict import problems
from callstream_cli.gateway import GatewayError, media_url, start_streaming
from callstream_cli.hanging import print_hanging
from callstream_cli.listener.wav_files import store
from callstream_cli.local import aws
from callstream_cli.local.commands import ROOT, Port, local_stack, show_next_steps
from callstream_cli.local.description import StackDescription
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.progress import ConsoleProgress
from callstream_cli.local.stack import LocalStack
from callstream_cli.plain_output import print_error

RECORDING: Final = audio.DEMO_RECORDING
SAID: Final = conversation.LINES

# The local stack has no quota, and the display should not lag.
_POLL_SECONDS: Final = 0.1
# How long to wait for missing records after the call, once nothing comes any more.
_PATIENCE_SECONDS: Final = 10.0
_RECORDINGS: Final = ROOT / ".local" / "demo"


def demo(port: Port = None) -> None:
    """Play a call through the gateway, with a verdict.

    Starts the local stack if it does not run, and then stops it at the end. A carrier simulator
    plays a recorded conversation in real time. A command of ASAPP has the call transcribed, and
    commands of Telnyx and SignalWire fork the call to two consumers in this process. What is said
    is shown line by line; the live display shows the frames that go in, the records that arrive on
    Kinesis, and what each consumer receives. At the end, the audio on Kinesis and the audio of each
    consumer, from the moment of its fork, are compared bit for bit with the recording, and the
    transcript with its words.

    Ends with status 1 if anything is missing or different, or if more than a tenth of the words is
    not recognised.
    """
    console = SafeConsole()
    stack = local_stack(port)
    try:
        was_up = stack.describe() is not None
        with _interruptible(), _up(stack, console) as description:
            succeeded = event_loop.run(_play(console, description))
        show_next_steps(console, is_up=was_up)
    except (LocalStackError, GatewayError, Unavailable, audio.UnreadableAudioError) as error:
        print_error(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if succeeded else 1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let `kill` and a closed terminal end the demo as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    yield


@contextmanager
def _up(stack: LocalStack, console: SafeConsole) -> Iterator[StackDescription]:
    """The running stack; it is stopped afterwards unless it ran before."""
    was_up = stack.describe() is not None
    try:
        yield stack.up(ConsoleProgress(console))
    finally:
        if not was_up:
            # An impatient second Ctrl-C must not leave the emulator running.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            stack.down()
            console.print("The local stack is stopped.")


async def _play(console: SafeConsole, stack: StackDescription) -> bool:
    """Play and show the call; return whether all audio arrived undamaged."""
    tracks = audio.load(RECORDING)
    # The local stack's engine does not run everywhere.
    said = SAID if moonshine.is_supported() and moonshine.find() else ()
    view = DemoView(len(tracks["inbound"]) // audio.BYTES_PER_MS, said=said)
    # A command to transcribe comes before the media, so that the first words are transcribed too.
    call_id = made_up("twilio", SystemRandom()).call_id

    def watch(report: CallReport) -> None:
        view.report = report

    with aws.talking_to(stack["aws_endpoint_url"]):
        client = kinesis_client()
    with ConsoleProgress(console).step("Starting the functions with a short call"):
        await rehearse(stack, transcribes=bool(said))
    # Reads from now on: the call begins later.
    reader = FrameStreamReader(client, stack["frames_stream"], "LATEST", poll_seconds=_POLL_SECONDS)
    url = await asyncio.to_thread(media_url, stack, "autotranscribe")
    if said:
        await asyncio.to_thread(start_streaming, stack, call_id)
    async with (
        listening(view.consumers) as consumer_urls,
        live_display.shown(console, view.picture, view.line),
    ):
        call = asyncio.create_task(place_call(url, CallPlan(tracks, call_id=call_id), watch=watch))
        forking = asyncio.create_task(_fork(stack, view, consumer_urls))
        await _follow(console, reader, call, view)
        forking.cancel()
    return _conclude(console, await call, view)


async def _fork(stack: StackDescription, view: DemoView, consumer_urls: Sequence[str]) -> None:
    """Fork the call as soon as it has begun."""
    while view.report is None or view.landing is None:  # noqa: ASYNC110  # read from a thread
        await asyncio.sleep(_POLL_SECONDS)
    await fork(stack, view.report.identity.call_id, view.consumers, consumer_urls)


async def _follow(
    console: SafeConsole, reader: FrameStreamReader, call: asyncio.Task[CallReport], view: DemoView
) -> None:
    """Collect records until all have landed and all forks have ended, or nothing comes any more."""
    clock = asyncio.get_running_loop().time
    give_up_at = clock()
    while not call.done() or clock() < give_up_at:
        arrivals = await asyncio.to_thread(reader.poll)
        view.landings.add(arrivals)
        for line in view.new_lines():
            console.print(
                in_words(line), highlight=False, markup=False, soft_wrap=not console.is_terminal
            )
        if arrivals or not call.done():
            give_up_at = clock() + _PATIENCE_SECONDS
        if call.done() and (call.result().error or view.complete):
            return
        await asyncio.sleep(reader.seconds_until_due())


def _conclude(console: SafeConsole, report: CallReport, view: DemoView) -> bool:
    landing = view.landing
    if landing is not None:
        recording = _RECORDINGS / f"{landing.stream_id}.wav"
        recording.parent.mkdir(parents=True, exist_ok=True)
        audio.save(recording, {track: landing.recording.audio(track) for track in audio.TRACKS})
        lines = [
            *of_call(report, landing),
            *of_transcript(report, landing),
            f"Listen   {recording.relative_to(ROOT)} (caller left, agent right)",
        ]
        for consumer in view.consumers:
            lines += of_fork(report, consumer)
            if consumer.state is not None:
                files = store(_RECORDINGS, consumer.state, "big")
                lines += [f"Listen   {path.relative_to(ROOT)}" for path in files]
        for text in [*lines, *of_a_busy_machine(report, landing)]:
            print_hanging(console, text[:LABEL], text[LABEL:])
    found = problems(report, landing, view.landings.unreadable, view.consumers, view.said)
    if not found:
        frames = " and ".join(f"{report.frames[track]} {track}" for track in audio.TRACKS)
        words = view.recognised.values()
        right, expected = (sum(map(attrgetter(name), words)) for name in ("right", "expected"))
        for text in (
            f"[bold green]✓ Every frame arrived:[/] {frames}, bit for bit.",
            "[bold green]✓ Both consumers got every frame since they joined,[/] bit for bit.",
            f"[bold green]✓ The transcript has what was said:[/] {right} of {expected} words."
            if view.said
            else "Not transcribed: the offline speech engine does not run on this machine.",
        ):
            console.print(text, highlight=False)
    for problem in found:
        console.print_line(f"✗ {problem}", "red")
    return not found
