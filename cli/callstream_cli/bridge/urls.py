"""Asks the deployment for streaming URLs, and remembers which token belongs to which of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

PATH: Final = "/autotranscribe/v1/streaming-url"
_FORWARDED: Final = frozenset({"asapp-api-id", "asapp-api-secret", "content-type"})
_TIMEOUT_SECONDS: Final = 30
_MOST: Final = 1000
"""So many URLs are remembered; they are valid for five minutes."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer in JSON."""

    status: int
    body: bytes


class StreamingUrls:
    """The streaming URLs of one deployment. Threads may share it.

    Args:
        base: the base URL of the deployment's ASAPP API.
    """

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._urls: dict[str, str] = {}
        self._lock = Lock()

    def ask(self, headers: Mapping[str, str], body: bytes, own: str) -> HttpAnswer:
        """Forward a client's request, and put the bridge's own URL in the place of the answer's.

        Args:
            headers: the client's.
            body: the client's.
            own: the bridge's URL, to which the token is added.
        """
        try:
            answer = self._forward(headers, body)
        except (OSError, HTTPException) as error:
            return failure(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._base}: {error}")
        if answer.status != HTTPStatus.OK:
            return answer
        try:
            url = str(json.loads(answer.body)["streamingUrl"])
        except (ValueError, KeyError, TypeError):
            return failure(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._base} gave no streamingUrl")
        token = _token(url)
        with self._lock:
            self._urls[token] = url
            while len(self._urls) > _MOST:
                del self._urls[next(iter(self._urls))]
        return HttpAnswer(answer.status, json.dumps({"streamingUrl": own + token}).encode())

    def url(self, token: str) -> str | None:
        """The deployment's URL with this token; None if this bridge has not given it."""
        with self._lock:
            return self._urls.get(token)

    def _forward(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        parts = urlsplit(self._base)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
        forwarded = {name: text for name, text in headers.items() if name.lower() in _FORWARDED}
        try:
            connection.request("POST", parts.path + PATH, body, forwarded)
            response = connection.getresponse()
            return HttpAnswer(response.status, response.read())
        finally:
            connection.close()


def failure(status: HTTPStatus, message: str) -> HttpAnswer:
    """An error of the bridge itself, in ASAPP's form."""
    error = {
        "requestId": str(uuid4()),
        "message": f"{status.phrase}: callstream bridge: {message}",
        "code": f"{status}-01",
    }
    return HttpAnswer(status, json.dumps({"error": error}).encode())


def _token(url: str) -> str:
    """The token of a streaming URL: in its query, or at the end of its path."""
    parts = urlsplit(url)
    return parse_qs(parts.query).get("token", [parts.path.rpartition("/")[2]])[0]
