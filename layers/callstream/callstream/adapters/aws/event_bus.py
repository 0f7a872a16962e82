"""EventBridge's default bus, which brings warm-ups to functions."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from callstream.adapters.aws.signed_client import Patience, RequestFailed, SignedClient
from callstream.errors import Unavailable
from callstream.warm_up import WarmUp

# A client waits for the answer meanwhile, and its call works without warm-ups too: one try.
_PATIENCE: Final = Patience(connect_seconds=0.3, answer_seconds=0.5, tries=1, pause_seconds=0)


class _Entry(Struct, rename="pascal"):
    error_code: str | None = None


class _Answer(Struct, rename="pascal"):
    entries: list[_Entry]


_decoder: Final = msgspec.json.Decoder(_Answer)


class EventBus:
    """The bus. `source` names the deployment, because an account's deployments share the bus.

    Raises:
        Unavailable: the environment has no credentials, or names no region.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        try:
            self._client = SignedClient("events", _PATIENCE)
        except RequestFailed as failed:
            raise failed.unavailable("events") from failed

    def put(self, warm_ups: Sequence[WarmUp]) -> None:
        """Send up to 10 warm-ups in one request. Raises `Unavailable`."""
        entries = [
            {
                "Source": self._source,
                "DetailType": each.part,
                "Detail": msgspec.json.encode({"warm_up": each.about}).decode(),
            }
            for each in warm_ups
        ]
        try:
            body = self._client.call("AWSEvents.PutEvents", "1.1", {"Entries": entries})
        except RequestFailed as failed:
            raise failed.unavailable("events") from failed
        try:
            answer = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise Unavailable("events", "Unreadable") from error
        # Each event may be refused on its own.
        for entry in answer.entries:
            if entry.error_code is not None:
                raise Unavailable("events", entry.error_code)
