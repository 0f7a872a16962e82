"""``callstream dialogflow``."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Annotated, Final

import grpc
import typer

from callstream_cli.consoles import SafeConsole
from callstream_cli.dialogflow import connection
from callstream_cli.dialogflow.agent import Agent
from callstream_cli.dialogflow.display import Display
from callstream_cli.dialogflow.faults import Fault, Place, WrongAudio, WrongReply
from callstream_cli.dialogflow.hearing import Ear
from callstream_cli.dialogflow.offline import DeafEar, OfflineEars, runs_here
from callstream_cli.dialogflow.server import HOST, PORT, FakeDialogflow
from callstream_cli.gateway import GatewayError
from callstream_cli.local.commands import local_stack

_PROFILE: Final = "demo"
_HISTORY: Final = 20
_FAIL_AFTER_S: Final = 2.0
_LOOK_SECONDS: Final = 1.0
_INTERRUPTED: Final = 130
# The agent needs some seconds to join; each comma is a pause of two.
_KEYS: Final = " --digits ,,,,1,,,,9"
_fault: Final = partial(typer.Option, rich_help_panel="What goes wrong")


def dialogflow(
    *,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65_535, help="The port; the local stack looks for this one. 0 is any free."
        ),
    ] = PORT,
    keys: Annotated[
        bool, typer.Option("--keys", help="Understand no speech, take keys only.")
    ] = False,
    slow: Annotated[
        float,
        _fault(min=0.0, metavar="SECONDS", help="Wait so long before each reply."),
    ] = 0.0,
    fail: Annotated[
        str | None,
        _fault(
            metavar="STATUS",
            help="End calls with this status of gRPC, such as UNAVAILABLE or RESOURCE_EXHAUSTED.",
        ),
    ] = None,
    fail_at: Annotated[
        Place,
        _fault(
            help="Where: at the first message, after 2 s of audio, where an utterance ends, before "
            "the reply, after it."
        ),
    ] = "reply",
    fail_times: Annotated[
        int | None, _fault(min=1, help="How many calls fail there; without it, all.")
    ] = None,
    wrong_audio: Annotated[
        WrongAudio | None,
        _fault(
            help="Reply with a WAV header, at 16 kHz, or in another codec, and claim the format "
            "that was asked for: the caller hears the last two slowly or as noise."
        ),
    ] = None,
    wrong_reply: Annotated[
        WrongReply | None,
        _fault(help="Do not reply, not even end the call, or reply without an end."),
    ] = None,
) -> None:
    """Stand in for Google's Dialogflow, so that a bot talks in a call without a Google account.

    Listens on 127.0.0.1, speaks Google's own gRPC protocol, and holds clients to Google's rules.
    The agent is a water company's: it understands a handful of words and keys, and answers with
    recordings. The dialogue is shown as it happens. On the local stack, the demo tenant gets a
    connection that leads here, with a key that opens nothing.

    Ends with Ctrl-C.
    """
    console = SafeConsole()
    hears = not keys and runs_here()
    display = Display(console)
    faults = [Fault(audio=wrong_audio, reply=wrong_reply)] if wrong_audio or wrong_reply else []
    faults += [Fault(at="reply", slow_s=slow)] if slow else []
    failure = _failure(fail, fail_at) if fail else None
    try:
        with (
            _ears(hears=hears) as new_ear,
            FakeDialogflow(
                new_ear, Agent(hears=hears), port=port, history=_HISTORY, watcher=display
            ) as server,
        ):
            for fault in faults:
                server.misbehave(fault, times=None)
            if failure:
                server.misbehave(failure, fail_times)
            _say(console, f"Dialogflow's stand-in listens on {server.address}, until Ctrl-C.")
            if not hears:
                _say(console, "Speech is not understood here: the agent takes keys.")
            _serve(console, "" if hears else _KEYS, is_usual=server.port == PORT)
    except OSError as error:
        message = (
            f"callstream: cannot listen on {HOST}, --port {port}: {os.strerror(error.errno or 0)}"
        )
        SafeConsole(stderr=True).print_line(message, "red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _serve(console: SafeConsole, options: str, *, is_usual: bool) -> None:
    """Store the demo tenant's connection as soon as the local stack runs; wait for Ctrl-C.

    Args:
        console: where to say so.
        options: of the commands that a new user may try.
        is_usual: whether the local stack looks for the server at its port.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not is_usual:
        _say(console, f"The local stack does not look there, but on port {PORT}.")
    elif local_stack().describe() is None:
        _say(console, "The local stack is not running: start it (callstream up).")
    while is_usual and not _stored(console, options):
        Event().wait(_LOOK_SECONDS)
    Event().wait()


def _stored(console: SafeConsole, options: str) -> bool:
    """Whether the connection needs no more attempts."""
    stack = local_stack().describe()
    if stack is None:
        return False
    try:
        connection.store(stack, _PROFILE)
    except GatewayError as error:
        if error.status is None:
            # The stack has just stopped, or still starts.
            return False
        _say(console, f"The demo tenant's connection is not stored: {error}")
        return True
    _say(console, f"The demo tenant's connection {connection.CONNECTION_ID} leads here. Try:")
    call = f"./callstream call --dialogflow{options}"
    _say(console, f"    {call}                    a call with the agent")
    _say(console, f"    {call} --save heard.wav   and what the caller hears")
    return True


@contextmanager
def _ears(*, hears: bool) -> Iterator[Callable[[], Ear]]:
    if hears:
        with OfflineEars() as ears:
            yield ears.new
    else:
        yield DeafEar


def _failure(status: str, at: Place) -> Fault:
    """The failure that a user asks for."""
    code = grpc.StatusCode.__members__.get(status.upper())
    if code in {None, grpc.StatusCode.OK}:
        raise typer.BadParameter(f"{status} is no failure's status", param_hint="--fail")
    return Fault(at=at, after_s=_FAIL_AFTER_S if at == "audio" else 0.0, status=code)


def _say(console: SafeConsole, text: str) -> None:
    console.print_line(text)
