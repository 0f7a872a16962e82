"""HTTP/1.1 to one endpoint, over connections that are kept for the next request.

Answers are read by http.client. Requests are written here, so that a request is one piece for the
network and for TLS.
"""

import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from functools import cache
from http.client import HTTPException, HTTPResponse, IncompleteRead
from io import BufferedReader, RawIOBase
from select import POLLIN, poll
from typing import Any, Final, NamedTuple, override
from urllib.parse import urlsplit

_MOST_KEPT: Final = 10
# Lambda may freeze the environment for hours in between. The connection may then be gone without a
# trace, which would show only when no answer comes. AWS's SDK for Java keeps connections as long.
_KEPT_SECONDS: Final = 60
_MOST_BYTES: Final = 64 * 1024
"""Of an answer with its headers. AWS's have about a kilobyte."""

_PORTS: Final = {"http": 80, "https": 443}


class Answer(NamedTuple):
    """An answer. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """There is no answer, or none that can be read.

    `code` is botocore's name for the reason. `is_sent`: the other side may have got the request.
    """

    def __init__(self, code: str, *, is_sent: bool) -> None:
        super().__init__(code)
        self.code = code
        self.is_sent = is_sent


class KeptConnections:
    """The connections to one endpoint, for any number of threads.

    Args:
        endpoint: its URL, https or http.
        connect_seconds: for each of the endpoint's addresses, and for the TLS handshake.
        answer_seconds: from the request to the end of its answer.
    """

    def __init__(self, endpoint: str, connect_seconds: float, answer_seconds: float) -> None:
        parts = urlsplit(endpoint)
        standard = _PORTS[parts.scheme]
        self.host: Final = parts.netloc.lower().removesuffix(f":{standard}")
        """The host's name, with the port unless it is the scheme's own: the header `host`."""
        self._address = (parts.hostname or "", parts.port or standard)
        self._is_secure = parts.scheme == "https"
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._kept: deque[_Connection] = deque()

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request, and read the answer. Adds the headers `user-agent` and `content-length`.

        A kept connection that the other side has closed in the meantime is not an error: the
        request goes out again on a new connection, unless a part of an answer has come.

        Raises:
            NoAnswer: the endpoint cannot be reached, or does not answer in time.
        """
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        lines += ["user-agent: Callstream", f"content-length: {len(body)}", "", ""]
        request = "\r\n".join(lines).encode("ascii") + body
        connection = self._take()
        if connection is not None:
            try:
                return self._exchange(connection, method, request)
            except _Closed:
                pass
        try:
            return self._exchange(self._connect(), method, request)
        except _Closed as error:
            raise NoAnswer(error.code, is_sent=True) from error

    def connect(self) -> None:
        """Make a connection for the next request. Raises `NoAnswer`."""
        self._keep(self._connect())

    def _exchange(self, connection: "_Connection", method: str, request: bytes) -> Answer:
        try:
            answer, is_kept = connection.exchange(method, request, self._answer_seconds)
        except BaseException:  # an interrupt too: the answer may come later
            connection.socket.close()
            # The others are as old, or older.
            self._forget()
            raise
        if is_kept:
            self._keep(connection)
        else:
            connection.socket.close()
        return answer

    def _keep(self, connection: "_Connection") -> None:
        if len(self._kept) < _MOST_KEPT:
            connection.kept_since = time.time()
            self._kept.append(connection)
        else:
            connection.socket.close()

    def _take(self) -> "_Connection | None":
        while True:
            try:
                connection = self._kept.pop()
            except IndexError:
                return None
            # By the wall clock, which Lambda sets right after a freeze.
            if time.time() - connection.kept_since < _KEPT_SECONDS and connection.is_quiet():
                return connection
            connection.socket.close()

    def _forget(self) -> None:
        while (connection := self._take()) is not None:
            connection.socket.close()

    def _connect(self) -> "_Connection":
        try:
            connected = socket.create_connection(self._address, self._connect_seconds)
        except OSError as error:
            raise NoAnswer(_reason(error), is_sent=False) from error
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_secure:
                connected = _tls().wrap_socket(connected, server_hostname=self._address[0])
        except OSError as error:
            connected.close()
            raise NoAnswer(_reason(error), is_sent=False) from error
        return _Connection(connected)


def _reason(error: OSError) -> str:
    """Why there is no connection."""
    match error:
        case TimeoutError():
            return "ConnectTimeoutError"
        case ssl.SSLError():
            return "SSLError"
        case _:
            return "EndpointConnectionError"


@cache
def _tls() -> ssl.SSLContext:
    """The authorities are those of the system, or of the file that AWS's tools are given.

    To load them takes 20 ms of CPU, so this waits for the first connection.
    """
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))


class _Closed(NoAnswer):
    """The other side has closed the connection before the first byte of an answer."""

    def __init__(self) -> None:
        super().__init__("ConnectionClosedError", is_sent=True)


_ENDS: Final = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError, IncompleteRead)


class _Connection:
    """One connection, for one request at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.kept_since = 0.0
        self._poll = poll()
        self._poll.register(connected, POLLIN)

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: no end, and no bytes without sense."""
        if not self._poll.poll(0):
            return True
        self.socket.settimeout(0)
        try:
            self.socket.recv(1)
        except ssl.SSLWantReadError:
            return True  # TLS has something for itself, such as tickets after a handshake
        except OSError:
            return False
        return False

    def exchange(self, method: str, request: bytes, seconds: float) -> tuple[Answer, bool]:
        """Send a request and read the answer; also whether the connection can be kept.

        Raises:
            NoAnswer: there is no answer that can be read.
        """
        incoming = _Incoming(self.socket, time.monotonic() + seconds)
        try:
            self.socket.settimeout(seconds)
            self.socket.sendall(request)
            with HTTPResponse(incoming, method=method) as response:  # type: ignore[arg-type]
                return _read(response), not response.will_close
        except TimeoutError as error:
            raise NoAnswer("ReadTimeoutError", is_sent=True) from error
        except _ENDS as error:
            if not incoming.taken:
                raise _Closed from error
            raise NoAnswer("ConnectionClosedError", is_sent=True) from error
        except (OSError, HTTPException, ValueError) as error:
            raise NoAnswer("HTTPClientError", is_sent=True) from error


def _read(response: HTTPResponse) -> Answer:
    """Read an answer. Raises HTTPException too."""
    response.begin()
    if response.length is None and not response.chunked:
        # Such an answer ends with the connection, as an answer that is cut does.
        raise HTTPException("the answer has no length")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, headers, response.read())


class _Incoming(RawIOBase):
    """The bytes of an answer: until a moment, and no more than an answer may have."""

    def __init__(self, connected: socket.socket, until: float) -> None:
        self._socket = connected
        self._until = until
        self.taken = 0

    def makefile(self, _mode: str) -> BufferedReader:
        """The reader that http.client asks a socket for."""
        return BufferedReader(self)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.taken >= _MOST_BYTES:
            raise ValueError("the answer is too long")
        self._socket.settimeout(left)
        count = self._socket.recv_into(buffer)
        self.taken += count
        return count
