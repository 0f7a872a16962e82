"""The deployment that an operator's command works on: the local stack, or a stack on AWS."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from callstream_cli.local import aws
from callstream_cli.local.commands import local_stack
from callstream_cli.local.stack import STACK_NAME
from callstream_cli.operator.errors import OperatorError
from callstream_cli.plain_output import print_error

if TYPE_CHECKING:
    from callstream_cli.operator.administration import Administration

Stack = Annotated[
    str | None,
    typer.Option(
        envvar="CALLSTREAM_STACK",
        help="Name of the CloudFormation stack on AWS, reached with your own AWS credentials. "
        "Without it: the local stack.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.")]


@contextmanager
def administration_of(stack: str | None) -> Iterator["Administration"]:
    """The administration of a deployment; AWS clients made meanwhile use that deployment.

    Raises:
        typer.Exit: there is no such deployment, or the command fails; the reason is printed.
    """
    from callstream_cli.operator.administration import Administration  # noqa: PLC0415 - slow

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
        print_error(error)
        raise typer.Exit(error.status) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        # The libraries that these errors are of take long to import.
        from callstream_cli.refusals import in_words  # noqa: PLC0415

        text = in_words(error)
        if text is None:
            raise
        print_error(text)
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
    import boto3  # noqa: PLC0415 - slow, as the next
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    # A person is waiting, and botocore's default timeouts add up to minutes.
    config = Config(
        connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3}
    )
    cloudformation = boto3.client("cloudformation", config=config)
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
