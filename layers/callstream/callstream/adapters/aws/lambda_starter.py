"""Starting relays: Lambda invocations that nobody waits for."""

import json
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from callstream.adapters.aws._clients import CONFIG, unavailable
from callstream.errors import Unavailable
from callstream.identity import RelayIdentity

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaStarter:
    """Starts relays, each in an invocation of its own that nobody waits for."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._client: LambdaClient = boto3.client("lambda", config=CONFIG)

    def start(self, relay: RelayIdentity) -> None:
        """Start a relay's first run. Raises `Unavailable`."""
        self._invoke(relay, "first")

    def succeed(self, relay: RelayIdentity, run_id: str) -> None:
        """Start the run that comes after this one. Raises `Unavailable`."""
        self._invoke(relay, "successor", run_id)

    def rescue(self, relay: RelayIdentity, run_id: str) -> None:
        """Start a run that takes over from this one. Raises `Unavailable`."""
        self._invoke(relay, "rescue", run_id)

    def _invoke(self, relay: RelayIdentity, run_as: str, after: str | None = None) -> None:
        payload = {
            "tenant_id": relay.tenant_id,
            "call_id": relay.call_id,
            "relay_id": relay.relay_id,
            "run_as": run_as,
            "after": after,
        }
        try:
            with unavailable("lambda"):
                self._client.invoke(
                    FunctionName=self._function,
                    InvocationType="Event",
                    Payload=json.dumps(payload).encode(),
                )
        except ClientError as error:
            raise Unavailable("lambda", error.response["Error"]["Code"]) from error
