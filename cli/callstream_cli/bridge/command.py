"""``callstream bridge``."""

import asyncio
from typing import Annotated, NoReturn

import typer

from callstream_cli import event_loop
from callstream_cli.bridge.server import HOST, Ports
from callstream_cli.bridge.server import bridge as running
from callstream_cli.consoles import SafeConsole
from callstream_cli.local.commands import local_stack


def bridge(
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="CALLSTREAM_ASAPP_URL",
            help="The base URL of the deployment's ASAPP API, its output AsappApiUrl. "
            "Without it: the local stack's.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port for HTTP. 0 stands for any free port.")
    ] = 8190,
    media_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port for WebSockets.")
    ] = 0,
) -> None:
    """Let clients of ASAPP's WebSocket send binary audio, which API Gateway refuses.

    The bridge runs beside the client, on 127.0.0.1. It serves POST
    /autotranscribe/v1/streaming-url and the WebSocket of the URL in the answer. Credentials are the
    client's own. The bridge encodes the audio and numbers the messages; everything else passes
    unchanged. It ends with Ctrl-C.
    """
    base = to or _local_base()
    if not base.startswith(("http://", "https://")):
        raise typer.BadParameter("an http or https URL, the output AsappApiUrl", param_hint="--to")
    try:
        event_loop.run(_serve(base, Ports(port, media_port)))
    except OSError as error:
        reason = error.strerror or error
        _fail(f"cannot listen on {HOST}, --port {port} --media-port {media_port}: {reason}")


async def _serve(base: str, ports: Ports) -> None:
    async with running(base, ports) as taken:
        SafeConsole().print_line(f"bridge to {base}: http://{HOST}:{taken.http}")
        await asyncio.Event().wait()


def _local_base() -> str:
    local = local_stack().describe()
    if local is None:
        _fail("the local stack is not running: start it (callstream up), or name a URL (--to)")
    return local["rest"]["asapp"]


def _fail(message: str) -> NoReturn:
    SafeConsole(stderr=True).print_line(f"callstream: {message}", "red")
    raise typer.Exit(1)
