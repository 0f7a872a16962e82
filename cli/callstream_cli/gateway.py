"""Asking the gateway for a media URL, as a carrier's customer does."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Literal
from urllib.parse import urlsplit

from callstream_cli.local.description import StackDescription

type Route = Literal["autotranscribe", "genagent"]
"""What the stream is for: the two products of ASAPP's media gateways."""

_TIMEOUT_SECONDS: Final = 30
_OK: Final = 200


class GatewayError(Exception):
    """The gateway gave no media URL; the message says why."""


def media_url(stack: StackDescription, route: Route) -> str:
    """A signed URL for one stream, from ASAPP's endpoint, as the demo tenant.

    Raises:
        GatewayError: it did not give one.
    """
    credentials = stack["credentials"]["asapp"]
    headers = {
        "asapp-api-id": str(credentials["id"]),
        "asapp-api-secret": str(credentials["secret"]),
    }
    body = _get(f"{stack['rest']['asapp']}/mg-{route}/v1/twilio-media-stream-url", headers)
    try:
        return str(json.loads(body)["streamingUrl"])
    except (ValueError, KeyError, TypeError):
        raise GatewayError("the gateway's answer holds no streamingUrl") from None


def _get(url: str, headers: dict[str, str]) -> bytes:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as error:
        raise GatewayError(f"{parts.netloc} cannot be reached: {error}") from None
    finally:
        connection.close()
    if response.status != _OK:
        excerpt = body[:200].decode(errors="replace")
        raise GatewayError(f"{url} answered with HTTP {response.status}: {excerpt}")
    return body
