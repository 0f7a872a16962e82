"""The channel to Google, and how it is used: never without a deadline."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Literal

import grpc
import msgspec
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud.dialogflow_v2.services.participants.transports import ParticipantsGrpcTransport
from google.oauth2.service_account import Credentials
from msgspec import Struct

from callstream.adapters.google.failures import failure_of_request
from callstream.dialogues.virtual_agent import AgentFailed

REQUEST_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 20.0
"""For requests that the agent answers, which may ask a webhook first."""

# A minute of audio, and the time that `StreamTurn` waits for the last reply, with some to spare.
_STREAM_SECONDS: Final = 120.0
_PORT: Final = 443
# Never asked for a token: the key signs each token itself. Neither this nor the universe is the
# key file's to say, which comes from a tenant.
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105
# A long reply: 8 minutes of L16.
_MOST_BYTES: Final = 8 << 20
_OPTIONS: Final = [("grpc.max_receive_message_length", _MOST_BYTES)]

# At the level DEBUG, the library logs requests and responses.
logging.getLogger("google.cloud.dialogflow_v2").setLevel(logging.INFO)


class _Key(Struct):
    type: Literal["service_account"]
    client_email: str
    private_key: str
    private_key_id: str = ""


def open_channel(host: str, key_json: str, endpoint: str | None) -> grpc.Channel:
    """Make a channel; the connection comes with the first call.

    Args:
        host: Google's host of the location.
        key_json: the key file of a service account. Secret: never log it.
        endpoint: `host:port` of a stand-in, which is reached without TLS and without the key.

    Raises:
        AgentFailed: the key is none.
    """
    if endpoint is not None:
        # No proxy, which could be set for the world outside.
        return grpc.insecure_channel(endpoint, [*_OPTIONS, ("grpc.enable_http_proxy", 0)])
    return ParticipantsGrpcTransport.create_channel(
        f"{host}:{_PORT}", credentials=credentials(key_json), options=_OPTIONS
    )


def credentials(key_json: str) -> Any:  # noqa: ANN401 - the library has no types
    """The credentials of a service account's key file, of which nothing but the key is used.

    Raises:
        AgentFailed: the key is none.
    """
    try:
        key = msgspec.json.decode(key_json, type=_Key)
        made = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            {**msgspec.to_builtins(key), "token_uri": _TOKEN_URI}
        )
    except (msgspec.DecodeError, ValueError, GoogleAuthError):
        # No cause, which could quote the key.
        raise AgentFailed("bad_key") from None
    return made.with_always_use_jwt_access(True)  # noqa: FBT003 - the library's own signature


async def ask[Request, Response](
    method: Callable[..., Response], request: Request, seconds: float = REQUEST_SECONDS
) -> Response:
    """Send a request of one of Google's clients, once.

    Raises:
        AgentFailed: Google refuses, fails, or is not reached.
    """
    try:
        # No repetition by the library, which would take minutes.
        return await asyncio.to_thread(method, request, timeout=seconds, retry=None)
    except GoogleAPICallError as error:
        # No cause: its text may quote.
        raise failure_of_request(error) from None


def stream_opener[Request](method: Callable[..., Any]) -> Callable[[Iterator[Request]], Any]:
    """What opens streams of a method.

    Args:
        method: the method of a transport. Those of Google's clients wait for the first response,
            and cannot be cancelled until then.
    """
    return partial(method, timeout=_STREAM_SECONDS)
