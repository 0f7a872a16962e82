"""Which deployment an operator's command works on: the local stack, or one on AWS."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated

import boto3
import typer

from callstream_cli.local import aws
from callstream_cli.local.commands import ROOT
from callstream_cli.local.stack import STACK_NAME, LocalStack

Stack = Annotated[
    str | None,
    typer.Option(
        envvar="CALLSTREAM_STACK",
        help="Name of the CloudFormation stack on AWS, reached with your own AWS credentials. "
        "Without it: the local stack.",
    ),
]


@contextmanager
def outputs_of(stack: str | None) -> Iterator[dict[str, str]]:
    """The outputs of a deployment; meanwhile, AWS clients of this process talk to it.

    Raises:
        typer.Exit: there is no such deployment; says so.
    """
    if stack is None:
        local = LocalStack(ROOT).describe()
        if local is None:
            typer.echo("callstream: the local stack is not running. `make up` starts it.", err=True)
            raise typer.Exit(1)
        surroundings: AbstractContextManager[None] = aws.talking_to(local["aws_endpoint_url"])
    else:
        surroundings = nullcontext()
    with surroundings:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=stack or STACK_NAME)
        outputs = stacks["Stacks"][0].get("Outputs", [])
        yield {output["OutputKey"]: output["OutputValue"] for output in outputs}
