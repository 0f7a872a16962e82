"""The deployment that an operator's command works on: the local stack, or a stack on AWS."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, Final

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from pydantic import ValidationError

from callstream.errors import Unavailable, UnreadableItem
from callstream_cli.local import aws
from callstream_cli.local.commands import local_stack
from callstream_cli.local.stack import STACK_NAME
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import OperatorError

Stack = Annotated[
    str | None,
    typer.Option(
        envvar="CALLSTREAM_STACK",
        help="Name of the CloudFormation stack on AWS, reached with your own AWS credentials. "
        "Without it: the local stack.",
    ),
]

# A person is waiting, and botocore's default timeouts add up to minutes.
_CONFIG: Final = Config(
    connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3}
)


@contextmanager
def administration_of(stack: str | None) -> Iterator[Administration]:
    """The administration of a deployment; AWS clients made meanwhile use that deployment.

    Raises:
        typer.Exit: there is no such deployment, or the command fails; the reason is printed.
    """
    with outputs_of(stack) as outputs:
        yield Administration(outputs)


@contextmanager
def outputs_of(stack: str | None) -> Iterator[dict[str, str]]:
    """The outputs of a deployment's stack; AWS clients made meanwhile use that deployment.

    Raises:
        typer.Exit: there is no such deployment, or the command fails; the reason is printed.
    """
    with explained(), _surroundings(stack):
        yield _outputs(stack or STACK_NAME)


@contextmanager
def explained() -> Iterator[None]:
    """End the command with one line about an error instead of a traceback.

    Raises:
        typer.Exit: the command fails.
    """
    try:
        yield
    except OperatorError as error:
        typer.echo(f"callstream: {error}", err=True)
        raise typer.Exit(error.status) from None
    except (BotoCoreError, ClientError, Unavailable, UnreadableItem, ValidationError) as error:
        typer.echo(f"callstream: {_explained(error)}", err=True)
        raise typer.Exit(1) from None


def _surroundings(stack: str | None) -> AbstractContextManager[None]:
    if stack is not None:
        return nullcontext()
    local = local_stack().describe()
    if local is None:
        raise OperatorError(
            "the local stack is not running: start it (callstream up), or name one (--stack)"
        )
    return aws.talking_to(local["aws_endpoint_url"])


def _outputs(stack: str) -> dict[str, str]:
    cloudformation = boto3.client("cloudformation", config=_CONFIG)
    try:
        (description,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        # CloudFormation's code for an unknown stack, and for a name that no stack can have.
        if error.response["Error"]["Code"] == "ValidationError":
            where = cloudformation.meta.region_name
            raise OperatorError(f"there is no stack {stack!r} in {where}") from None
        raise
    outputs = description.get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _explained(error: Exception) -> str:
    """The error in one line, without secrets."""
    match error:
        case NoCredentialsError():
            return "no AWS credentials found: set AWS_PROFILE, or sign in with the AWS CLI"
        case NoRegionError():
            return "no AWS region given: set AWS_DEFAULT_REGION"
        case ClientError(response=response, operation_name=operation):
            details = response["Error"]
            return _line(f"AWS refused {operation}: {details['Code']}: {details['Message']}")
        case Unavailable(service=service, code=code):
            return f"{service} does not answer ({code}); try again"
        case ValidationError(title=kind):
            return f"this version cannot read a {kind} that is stored: {_fields(error)}"
        case _:
            return _line(str(error))


def _fields(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}"
        for issue in error.errors()
    )


def _line(text: str) -> str:
    return " ".join(text.split())
