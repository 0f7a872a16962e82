"""``callstream url`` and ``env``: what the local stack's demo tenant needs, for a shell."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from callstream_cli.acting import AsTenant, acting_as
from callstream_cli.gateway import GatewayError, Route, clerk_media_url, media_url
from callstream_cli.local import aws
from callstream_cli.local.commands import explained, local_stack
from callstream_cli.local.description import DEMO_INBOX, StackDescription
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.stack import STACK_NAME
from callstream_cli.plain_output import print_line

if TYPE_CHECKING:
    from callstream.tenants.directory import Surface

# The names that examples/ read.
_ASAPP = {"id": "ASAPP_API_ID", "secret": "ASAPP_API_SECRET"}


def url(
    *,
    route: Annotated[
        Route, typer.Option(help="From ASAPP's endpoint, for which of its products.")
    ] = "genagent",
    inbox: Annotated[
        str | None,
        typer.Option(
            metavar="INBOX",
            help=f"From Clerk Chat's endpoint, for an inbox of the tenant; the demo tenant has "
            f"{DEMO_INBOX}.",
        ),
    ] = None,
    tenant: AsTenant = None,
) -> None:
    """Print a fresh media URL of the local stack.

    The URL is good for five minutes. It comes from ASAPP's endpoint, or with --inbox from Clerk
    Chat's.
    """
    surface: Surface = "asapp" if inbox is None else "clerk"
    with explained(), acting_as(tenant, _running(), [surface]) as stack:
        try:
            text = media_url(stack, route) if inbox is None else clerk_media_url(stack, inbox)
        except GatewayError as error:
            raise LocalStackError(str(error)) from None
    print_line(text)


def env() -> None:
    """Print the local stack as variables for a shell: eval "$(./callstream env)".

    AWS tools and SDKs in that shell then use the local stack alone. The URL of each surface and the
    credentials of the demo tenant are in CALLSTREAM_… and, as examples/ need them, in ASAPP_….
    """
    with explained():
        stack = _running()
    print_line("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name, value in variables(stack).items():
        print_line(f"export {name}={shlex.quote(value)}")


def variables(stack: StackDescription) -> Mapping[str, str]:
    """The variables that describe a running local stack."""
    credentials = {
        f"CALLSTREAM_{surface}_{name}".upper(): str(value)
        for surface, named in stack["credentials"].items()
        for name, value in named.items()
    }
    asapp = stack["credentials"]["asapp"]
    return {
        **aws.environment({}, stack["aws_endpoint_url"]),
        "AWS_REGION": stack["region"],
        "CALLSTREAM_STACK_NAME": STACK_NAME,
        "CALLSTREAM_MEDIA_URL": stack["media_url"],
        "CALLSTREAM_FRAMES_STREAM": stack["frames_stream"],
        **{f"CALLSTREAM_{name.upper()}_TABLE": table for name, table in stack["tables"].items()},
        "CALLSTREAM_INBOX": stack["inbox"],
        **{f"CALLSTREAM_{name.upper()}_URL": base for name, base in stack["rest"].items()},
        **credentials,
        "ASAPP_URL": stack["rest"]["asapp"],
        **{variable: str(asapp[name]) for name, variable in _ASAPP.items()},
    }


def _running() -> StackDescription:
    stack = local_stack().describe()
    if stack is None:
        raise LocalStackError("the local stack is not running. `callstream up` starts it.")
    return stack
