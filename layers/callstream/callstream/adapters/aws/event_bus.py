"""EventBridge's default bus, which brings warm-ups to functions."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from callstream.errors import Unavailable
from callstream.warm_up import WarmUp

# A client waits for the answer meanwhile, and the call works without warm-ups too: one try.
_CONFIG: Final = Config(
    connect_timeout=0.3, read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": 1}
)


class EventBus:
    """The bus. `source` names the deployment, because an account's deployments share the bus."""

    def __init__(self, source: str) -> None:
        self._source = source

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401
        return get_session().create_client("events", config=_CONFIG)

    def put(self, warm_ups: Sequence[WarmUp]) -> None:
        """Send up to 10 warm-ups in one request. Raises `Unavailable`."""
        try:
            answer = self._client.put_events(
                Entries=[
                    {
                        "Source": self._source,
                        "DetailType": each.part,
                        "Detail": json.dumps({"warm_up": each.about}),
                    }
                    for each in warm_ups
                ]
            )
        except ClientError as error:
            raise Unavailable("events", error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise Unavailable("events", type(error).__name__) from error
        for refused in answer["Entries"]:
            if "ErrorCode" in refused:
                raise Unavailable("events", refused["ErrorCode"])
