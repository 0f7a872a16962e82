"""Requests for media URLs and forks, as a carrier's customer sends them to the gateway."""

import json
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Literal
from urllib.parse import quote, urlencode, urlsplit

from callstream_cli.local.description import StackDescription

type Route = Literal["autotranscribe", "genagent"]
"""The two products of ASAPP's media gateways, for which streams are opened."""

_TIMEOUT_SECONDS: Final = 30
_OK: Final = frozenset({200, 201})


class GatewayError(Exception):
    """The gateway refused a request, or did not answer; the message says why.

    `status` is the HTTP status of the answer; None if there was no readable answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def media_url(stack: StackDescription, route: Route) -> str:
    """A signed URL for one stream, from ASAPP's endpoint, as the described tenant.

    Raises:
        GatewayError: the gateway gave no URL.
    """
    url = f"{stack['rest']['asapp']}/mg-{route}/v1/twilio-media-stream-url"
    body = _request("GET", url, _asapp_headers(stack))
    try:
        return str(json.loads(body)["streamingUrl"])
    except (ValueError, KeyError, TypeError):
        raise GatewayError("the gateway's answer holds no streamingUrl") from None


def clerk_media_url(stack: StackDescription, inbox: str) -> str:
    """A signed URL for one stream, from Clerk Chat's endpoint, as the described tenant.

    Raises:
        GatewayError: the gateway gave no URL.
    """
    headers = {
        "apiKey": str(stack["credentials"]["clerk"]["api_key"]),
        "Content-Type": "application/json",
    }
    url = f"{stack['rest']['clerk']}/public/twilio-connector/connect"
    body = _request("POST", url, headers, json.dumps({"inboxExternalId": inbox}).encode())
    try:
        return str(json.loads(body)["data"]["connectUrl"])
    except (ValueError, KeyError, TypeError):
        raise GatewayError("the gateway's answer holds no connectUrl") from None


def streaming_url(stack: StackDescription) -> str:
    """A URL for a client that streams its own audio, from ASAPP's endpoint, as a tenant.

    Raises:
        GatewayError: the gateway gave no URL.
    """
    headers = _asapp_headers(stack) | {"Content-Type": "application/json"}
    url = f"{stack['rest']['asapp']}/autotranscribe/v1/streaming-url"
    body = _request("POST", url, headers, json.dumps({"externalId": "callstream"}).encode())
    try:
        return str(json.loads(body)["streamingUrl"])
    except (ValueError, KeyError, TypeError):
        raise GatewayError("the gateway's answer holds no streamingUrl") from None


def start_streaming(stack: StackDescription, call_id: str) -> None:
    """Have a call transcribed from now on, by ASAPP's command, as the described tenant.

    Raises:
        GatewayError: the call is not transcribed.
    """
    started = _transcription(
        stack, "start-streaming", call_id, customerId="caller", agentId="agent"
    )
    if not started.get("isOk"):
        raise GatewayError(f"the call is not transcribed: {started.get('errorMessage')}")


def stop_streaming(stack: StackDescription, call_id: str) -> None:
    """Have a call no longer transcribed, by ASAPP's command, as the described tenant.

    Raises:
        GatewayError: the call was not transcribed.
    """
    _transcription(stack, "stop-streaming", call_id)


def _transcription(
    stack: StackDescription, command: str, call_id: str, **fields: str
) -> dict[str, object]:
    headers = _asapp_headers(stack) | {"Content-Type": "application/json"}
    body = json.dumps({"namespace": "twilio", "guid": call_id, **fields}).encode()
    url = f"{stack['rest']['asapp']}/mg-autotranscribe/v1/{command}"
    answer = json.loads(_request("POST", url, headers, body))
    return dict(answer)


def _asapp_headers(stack: StackDescription) -> dict[str, str]:
    credentials = stack["credentials"]["asapp"]
    return {
        "asapp-api-id": str(credentials["id"]),
        "asapp-api-secret": str(credentials["secret"]),
    }


def fork_as_telnyx(
    stack: StackDescription,
    call_id: str,
    consumer_url: str,
    *,
    answers: bool = False,
    dialogflow: bool = False,
) -> None:
    """Fork both tracks of a call to a WebSocket, by Telnyx's command, as the described tenant.

    With `answers`, the caller hears what the consumer sends back as raw audio. With `dialogflow`,
    the tenant's virtual agent talks with the caller, and `consumer_url` may be empty.

    Raises:
        GatewayError: the command is refused.
    """
    url = f"{stack['rest']['telnyx']}/v2/calls/{quote(call_id, safe='')}/actions/streaming_start"
    body: dict[str, object] = {}
    if dialogflow:
        body = {"enable_dialogflow": True}
    if consumer_url:
        body |= {"stream_url": consumer_url, "stream_track": "both_tracks"}
    if consumer_url and answers:
        body |= {
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_target_legs": "self",
        }
    _request("POST", url, _telnyx_headers(stack), json.dumps(body).encode())


def store_dialogflow_connection(
    stack: StackDescription, connection_id: str, connection: Mapping[str, object]
) -> None:
    """Store a connection to Dialogflow, by Telnyx's endpoint, as the described tenant.

    Raises:
        GatewayError: the connection is not stored.
    """
    url = f"{stack['rest']['telnyx']}/v2/dialogflow_connections/{quote(connection_id, safe='')}"
    _request("POST", url, _telnyx_headers(stack), json.dumps(connection).encode())


def _telnyx_headers(stack: StackDescription) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {stack['credentials']['telnyx']['api_key']}",
        "Content-Type": "application/json",
    }


def fork_as_signalwire(stack: StackDescription, call_id: str, consumer_url: str) -> None:
    """Fork both tracks of a call to a WebSocket, by SignalWire's command, as the described tenant.

    Raises:
        GatewayError: the call is not forked.
    """
    credentials = stack["credentials"]["signalwire"]
    project, token = str(credentials["project_id"]), str(credentials["api_token"])
    account = f"{stack['rest']['signalwire']}/api/laml/2010-04-01/Accounts/{project}"
    streams = f"{account}/Calls/{quote(call_id, safe='')}/Streams"
    _create_stream(streams, project, token, consumer_url)


def fork_as_twilio(stack: StackDescription, call_id: str, consumer_url: str) -> None:
    """Fork both tracks of a call to a WebSocket, by Twilio's command, as the described tenant.

    Raises:
        GatewayError: the call is not forked.
    """
    credentials = stack["credentials"]["twilio"]
    account = credentials["account_sid"]
    # An AuthToken belongs to the account, a secret to its API key.
    user = str(credentials.get("api_key", account))
    password = str(credentials.get("api_secret") or credentials["auth_token"])
    calls = f"{stack['rest']['twilio']}/2010-04-01/Accounts/{account}/Calls"
    streams = f"{calls}/{quote(call_id, safe='')}/Streams.json"
    _create_stream(streams, user, password, consumer_url)


def _create_stream(url: str, user: str, password: str, consumer_url: str) -> None:
    headers = {
        "Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = urlencode({"Url": consumer_url, "Track": "both_tracks"}).encode()
    _request("POST", url, headers, body)


def _request(method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, HTTPException) as error:
        raise GatewayError(f"{parts.netloc} cannot be reached: {error}") from None
    finally:
        connection.close()
    if response.status not in _OK:
        excerpt = answer[:200].decode(errors="replace")
        message = f"{url} answered with HTTP {response.status}: {excerpt}"
        raise GatewayError(message, response.status)
    return answer
