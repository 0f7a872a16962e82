"""Starts runs of relays by asynchronous Lambda invocations."""

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from callstream.adapters.aws._clients import CONFIG, unavailable
from callstream.errors import Unavailable
from callstream.identity import RelayIdentity
from callstream.relays.invocation import RelayInvocation, RunKind

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaStarter:
    """Starts runs of relays, each in an asynchronous invocation of its own."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._client: LambdaClient = boto3.client("lambda", config=CONFIG)

    def start(self, relay: RelayIdentity) -> None:
        """Start a relay's first run. Raises `Unavailable`."""
        self._invoke(RelayInvocation.of(relay, RunKind.FIRST))

    def succeed(self, relay: RelayIdentity, run_id: str) -> None:
        """Start the successor of a run. Raises `Unavailable`."""
        self._invoke(RelayInvocation.of(relay, RunKind.SUCCESSOR, run_id))

    def rescue(self, relay: RelayIdentity, run_id: str) -> None:
        """Start a run that takes over from another. Raises `Unavailable`."""
        self._invoke(RelayInvocation.of(relay, RunKind.RESCUE, run_id))

    def forward(self, invocation: RelayInvocation, function: str) -> None:
        """Let another function do the run that this one was asked for. Raises `Unavailable`."""
        self._invoke(invocation, function)

    def _invoke(self, invocation: RelayInvocation, function: str | None = None) -> None:
        try:
            with unavailable("lambda"):
                self._client.invoke(
                    FunctionName=function or self._function,
                    InvocationType="Event",
                    Payload=invocation.encode(),
                )
        except ClientError as error:
            raise Unavailable("lambda", error.response["Error"]["Code"]) from error
