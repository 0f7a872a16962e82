"""Starting relays: Lambda invocations that nobody waits for."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from callstream.adapters._aws import CONFIG, unavailable
from callstream.errors import Unavailable
from callstream.relays import Relay
from callstream.settings import StarterSettings, load

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaStarter:
    """Starts relays, each in an invocation of its own that nobody waits for."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._client: LambdaClient = boto3.client("lambda", config=CONFIG)

    def start(self, relay: Relay, *, successor: bool = False) -> None:
        """Start a relay, or its next run. Raises `Unavailable`."""
        payload = {
            "tenant_id": relay.tenant_id,
            "call_id": relay.call_id,
            "relay_id": relay.relay_id,
            "successor": successor,
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


def starter(environment: Mapping[str, str]) -> LambdaStarter:
    """What starts relays. Raises msgspec.ValidationError if a setting is missing."""
    return LambdaStarter(load(StarterSettings, environment).relay_function)
