"""Requests to AWS without botocore, for what runs with every frame or post.

To send a request by botocore takes seven times the CPU time, and to import botocore half a second
of a small function's start. It makes the same requests: tests compare both.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from random import uniform
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from callstream.adapters.aws import environment
from callstream.adapters.aws._refusals import THROTTLING
from callstream.adapters.aws.environment import Unset
from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream.adapters.aws.signature import Signer
from callstream.errors import Throttled, Unavailable

_SUCCESSES: Final = range(200, 300)
_SERVER_ERROR: Final = 500
_TIMED_OUT: Final = 408
_THROTTLED: Final = 429


class Patience(NamedTuple):
    """How long a request may take.

    Attributes:
        connect_seconds: for a new connection.
        answer_seconds: from a request to the end of its answer.
        tries: of the same request.
        pause_seconds: the longest pause before the second try; doubles with each further try.
            Pauses have full jitter.
        repeats_throttled: whether to try again if the service throttles.
    """

    connect_seconds: float
    answer_seconds: float
    tries: int
    pause_seconds: float
    repeats_throttled: bool = True


class RequestFailed(Exception):
    """A request that was refused, or has no answer.

    Attributes:
        code: the service's error, or botocore's name for the reason why there is no answer.
        status: 0 if there is no answer.
        message: the service's own.
    """

    def __init__(self, code: str, status: int = 0, message: str = "") -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.code = code
        self.status = status
        self.message = message

    @property
    def is_throttling(self) -> bool:
        """Whether the service works, and has had more requests than it takes."""
        return self.status == _THROTTLED or self.code in THROTTLING

    @property
    def is_passing(self) -> bool:
        """Whether the service has a problem that another try may not meet."""
        return self.status >= _SERVER_ERROR or self.status == _TIMED_OUT

    def unavailable(self, service: str) -> Unavailable:
        """The error for callers: `Throttled`, or else `Unavailable`."""
        return (Throttled if self.is_throttling else Unavailable)(service, self.code)


class SignedClient:
    """Sends requests to one service, signed, over kept connections; for any number of threads.

    Args:
        service: the name for signatures, which is `execute-api` for API Gateway.
        patience: the limits of a request.
        endpoint: the URL that the paths of requests are appended to; the service's own by default.

    Raises:
        RequestFailed: the environment has no credentials, or names no region.
    """

    def __init__(self, service: str, patience: Patience, endpoint: str | None = None) -> None:
        try:
            where = environment.region(os.environ)
            credentials = environment.credentials(os.environ)
            url = endpoint or environment.endpoint(os.environ, service)
        except Unset as error:
            raise RequestFailed(error.code) from None
        self._patience = patience
        self._connections = KeptConnections(url, patience.connect_seconds, patience.answer_seconds)
        self._signer = Signer(service, where, self._connections.host, credentials)
        self._path = urlsplit(url).path.rstrip("/")

    def connect(self) -> None:
        """Make a connection for the next request, if the service can be reached."""
        with suppress(NoAnswer):
            self._connections.connect()

    def call(self, target: str, version: str, arguments: Mapping[str, Any]) -> bytes:
        """Call an operation of a service that speaks AWS's JSON protocol; returns its answer.

        Args:
            target: the operation, as in `Kinesis_20131202.PutRecord`.
            version: of the protocol, `1.0` or `1.1`.
            arguments: bytes become base64.

        Raises:
            RequestFailed: the service did not take the request.
        """
        headers = {"x-amz-target": target, "content-type": f"application/x-amz-json-{version}"}
        return self.request("POST", "/", headers, msgspec.json.encode(arguments))

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        repeats: bool = True,
    ) -> bytes:
        """Send a request, and return the body of the answer.

        Args:
            method: in capitals.
            path: encoded, from a slash on.
            headers: more headers, by names in small letters.
            body: the whole body.
            repeats: try again also if the service may have done what is asked for.

        Raises:
            RequestFailed: the service did not take the request, after the tries that can help.
        """
        path, patience = self._path + path, self._patience
        attempt = 0
        while True:
            attempt += 1
            signed = self._signer.headers(method, path, headers or {}, body, time.time())
            try:
                answer = self._connections.exchange(method, path, signed, body)
                if answer.status in _SUCCESSES:
                    return answer.body
                failed = refused(answer)
                helps = patience.repeats_throttled if failed.is_throttling else failed.is_passing
            except NoAnswer as error:
                failed = RequestFailed(error.code)
                failed.__cause__ = error
                helps = repeats or not error.is_sent
            if not helps or attempt >= patience.tries:
                raise failed
            time.sleep(uniform(0, patience.pause_seconds * 2 ** (attempt - 1)))  # noqa: S311  # jitter


def refused(answer: Answer) -> RequestFailed:
    """The service's error, read from an answer in any form that AWS's JSON protocols have.

    Source: smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html and aws-restjson1-protocol.html.
    """
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        body = None
    said: Mapping[str, Any] = body if isinstance(body, dict) else {}
    code = (
        # SQS's older name of an error.
        answer.headers.get("x-amzn-query-error", "").partition(";")[0]
        or answer.headers.get("x-amzn-errortype")
        or said.get("__type")
        or said.get("code")
        or said.get("Code")
    )
    message = said.get("message", said.get("Message")) or ""
    # Such as `com.amazon.coral#Name:http://…`.
    name = str(code or answer.status).partition(":")[0].rpartition("#")[2]
    return RequestFailed(name, answer.status, str(message))
