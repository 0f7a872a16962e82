"""WebSocket connections by the management API of API Gateway (`@connections`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from botocore.session import get_session

from callstream.adapters import clock
from callstream.adapters.aws._clients import CONFIG, unavailable
from callstream.adapters.aws._refusals import refusal
from callstream.errors import Undeliverable

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

_GONE: Final = 410
# Of the statuses from 400 to 499, those that another try can mend: a timeout, and throttling.
_PASSING: Final = frozenset({408, 429})


class _Gone(Exception):
    """The connection is gone. Never leaves this module."""


@contextmanager
def _refusals(*, of_message: bool = False) -> Iterator[None]:
    """Raise `_Gone`, `Unavailable`, or for a message that is never taken `Undeliverable`."""
    try:
        with unavailable("apigateway"):
            yield
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        details = error.response["Error"]
        # Some 410 answers have no body, and an id that never existed is "invalid".
        if status == _GONE or "Invalid connectionId" in details.get("Message", ""):
            raise _Gone from None
        if of_message and status not in _PASSING:
            raise Undeliverable("apigateway", details["Code"]) from error
        # A denied action too: the caller may go on with other connections.
        raise refusal("apigateway", details["Code"]) from error


class ApiConnections:
    """The connections of one WebSocket API. Every method raises `Unavailable`.

    Args:
        url: the API's callback URL: https, the API's host, its stage.
    """

    def __init__(self, url: str) -> None:
        self._client: ApiGatewayManagementApiClient = get_session().create_client(  # type: ignore[assignment]
            "apigatewaymanagementapi", endpoint_url=url, config=CONFIG
        )

    def post(self, connection_id: str, data: bytes) -> bool:
        """Send a text message of at most 128 KB; False if the connection is gone.

        Raises:
            Undeliverable: the message is too large, or this function may not post.
            Throttled: API Gateway throttles.
            Unavailable: API Gateway did not answer.
        """
        try:
            with _refusals(of_message=True):
                self._client.post_to_connection(ConnectionId=connection_id, Data=data)
        except _Gone:
            return False
        return True

    def active_at(self, connection_id: str) -> datetime | None:
        """When the last message was received or sent; None if the connection is gone."""
        try:
            with _refusals():
                answer = self._client.get_connection(ConnectionId=connection_id)
        except _Gone:
            return None
        # The emulator uses another name for this field; the connection is there in any case.
        return answer.get("LastActiveAt", clock.now())

    def close(self, connection_id: str) -> None:
        """Close the connection, if it is open."""
        try:
            with _refusals():
                self._client.delete_connection(ConnectionId=connection_id)
        except _Gone:
            return
