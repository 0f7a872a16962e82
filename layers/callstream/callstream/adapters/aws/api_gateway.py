"""WebSocket connections by the management API of API Gateway (`@connections`).

Source: "Use @connections commands in your backend service" in API Gateway's developer guide.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from callstream.adapters import clock
from callstream.adapters.aws.signed_client import Patience, RequestFailed, SignedClient
from callstream.errors import Undeliverable

# All tries take at most about 10 s, so that a function can still use its fallback within 29 s.
_PATIENCE: Final = Patience(connect_seconds=1, answer_seconds=2, tries=3, pause_seconds=0.2)

_GONE: Final = 410


class _Connection(Struct, rename="camel"):
    # The emulator uses another name for this field.
    last_active_at: Annotated[datetime, Meta(tz=True)] | None = None


_decoder = msgspec.json.Decoder(_Connection)


class _Gone(Exception):
    """The connection is gone. Never leaves this module."""


@contextmanager
def _refusals(*, of_message: bool = False) -> Iterator[None]:
    """Raise `_Gone`, `Unavailable`, or for a message that is never taken `Undeliverable`."""
    try:
        yield
    except RequestFailed as failed:
        # Some 410 answers have no body, and an id that never existed is "invalid".
        if failed.status == _GONE or "Invalid connectionId" in failed.message:
            raise _Gone from None
        may_pass = failed.is_throttling or failed.is_passing or not failed.status
        if of_message and not may_pass:
            raise Undeliverable("apigateway", failed.code) from failed
        # A denied action too: the caller may go on with other connections.
        raise failed.unavailable("apigateway") from failed


class ApiConnections:
    """The connections of one WebSocket API, for any number of threads.

    Every method raises `Unavailable`, and so does making this without credentials.

    Args:
        url: the API's callback URL: https, the API's host, its stage.
        to_relays: relays are at the other ends. A relay drops messages that come twice, so a
            message may be sent again when it is unknown whether the first has come. Elsewhere that
            would repeat audio.
        repeats_throttled: whether to try again if API Gateway throttles, which holds up the caller.
    """

    def __init__(
        self, url: str, *, to_relays: bool = False, repeats_throttled: bool = True
    ) -> None:
        self._repeats = to_relays
        patience = _PATIENCE._replace(repeats_throttled=repeats_throttled)
        with _refusals():
            self._client = SignedClient("execute-api", patience, url)

    def post(self, connection_id: str, data: bytes) -> bool:
        """Send a text message of at most 128 KB; False if the connection is gone.

        Raises:
            Undeliverable: the message is too large, or this function may not post.
            Throttled: API Gateway throttles.
            Unavailable: API Gateway did not answer. The message may have been sent all the same.
        """
        try:
            with _refusals(of_message=True):
                path = _path(connection_id)
                self._client.request("POST", path, body=data, repeats=self._repeats)
        except _Gone:
            return False
        return True

    def active_at(self, connection_id: str) -> datetime | None:
        """When the last message was received or sent; None if the connection is gone."""
        try:
            with _refusals():
                answer = self._client.request("GET", _path(connection_id))
        except _Gone:
            return None
        try:
            active_at = _decoder.decode(answer).last_active_at
        except (msgspec.DecodeError, UnicodeError):
            active_at = None
        # The connection is there in any case.
        return active_at or clock.now()

    def close(self, connection_id: str) -> None:
        """Close the connection, if it is open."""
        try:
            with _refusals():
                self._client.request("DELETE", _path(connection_id))
        except _Gone:
            return


def _path(connection_id: str) -> str:
    return f"/@connections/{quote(connection_id, safe='~')}"
