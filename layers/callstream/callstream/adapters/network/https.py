"""HTTP to tenants' servers: to the address that was vetted, for a bounded time."""

import http.client
import socket
import ssl
import time
from contextlib import suppress
from ipaddress import ip_address
from threading import Timer
from typing import Final
from urllib.parse import urlsplit

from callstream.callbacks.delivery import HttpAnswer, NoAnswer
from callstream.callbacks.model import CallbackRequest
from callstream.destinations import Destination

_CONNECT_SECONDS: Final = 3.0
_TOTAL_SECONDS: Final = 5.0
_ADDRESSES_TRIED: Final = 3
_USER_AGENT: Final = "Callstream"


class PinnedClient:
    """Sends each request over a connection of its own, to the destination's own addresses.

    It uses http.client and no library on top of that: such libraries connect to names, and limit
    the time of each read but not of all reads, so that a server that sends a byte now and then
    holds the function. The answer's body is not read.

    Args:
        local: accept any certificate of this machine itself; for the local stack alone.
        total_seconds: limit for a request, from the first try to connect to the last header.
    """

    def __init__(self, *, local: bool = False, total_seconds: float = _TOTAL_SECONDS) -> None:
        self._local = local
        self._total_seconds = total_seconds
        self._tls = ssl.create_default_context()

    def send(self, request: CallbackRequest, destination: Destination) -> HttpAnswer:
        """Send a request.

        Raises:
            NoAnswer: `timeout`, `connection` (refused or broken), `tls`, or `no_http`.
        """
        exchange = _Exchange(
            request, destination, self._total_seconds, local=self._local, tls=self._tls
        )
        timer = Timer(self._total_seconds, exchange.give_up)
        timer.daemon = True
        timer.start()
        try:
            answer = exchange.run()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer("timeout" if exchange.is_given_up else _reason(error)) from None
        finally:
            timer.cancel()
            exchange.close()
        if exchange.is_given_up:  # the answer was cut off, though its headers may look complete
            raise NoAnswer("timeout")
        return answer


class _Exchange:
    """One request and its answer, which another thread may give up."""

    def __init__(
        self,
        request: CallbackRequest,
        destination: Destination,
        total_seconds: float,
        *,
        local: bool,
        tls: ssl.SSLContext,
    ) -> None:
        self._request = request
        self._destination = destination
        self._total_seconds = total_seconds
        self._local = local
        self._tls = tls
        self._socket: socket.socket | None = None
        self.is_given_up = False

    def run(self) -> HttpAnswer:
        """Send the request, and read the answer's headers."""
        self._socket, address = _connect(self._destination, self._total_seconds)
        if self._destination.tls:
            # The handshake is a step of its own, so that `give_up` can end it too.
            self._socket = secured = self._context(address).wrap_socket(
                self._socket,
                server_hostname=self._destination.host.rstrip("."),
                do_handshake_on_connect=False,
            )
            self._check_time()
            secured.do_handshake()
        self._check_time()
        self._socket.settimeout(self._total_seconds)
        return self._request_over(self._socket)

    def give_up(self) -> None:
        """End the connection, while another thread waits for it."""
        self.is_given_up = True
        connection = self._socket
        if connection is not None:
            with suppress(OSError):  # the connection has ended
                # Not through TLS, whose state belongs to the other thread.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _check_time(self) -> None:
        # `give_up` may have come before there was this socket to end.
        if self.is_given_up:
            raise TimeoutError

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()

    def _context(self, address: str) -> ssl.SSLContext:
        if self._local and ip_address(address).is_loopback:
            return ssl._create_unverified_context()  # noqa: S323, SLF001  # may be self-signed
        return self._tls

    def _request_over(self, connection: socket.socket) -> HttpAnswer:
        request, destination = self._request, self._destination
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        client = http.client.HTTPConnection(destination.host, destination.port)
        client.sock = connection
        client.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        headers = {
            "host": parts.netloc,
            "user-agent": _USER_AGENT,
            **request.headers,
            "connection": "close",
        }
        if request.method == "POST":
            headers["content-length"] = str(len(request.body))
        for name, value in headers.items():
            client.putheader(name, value)
        client.endheaders(request.body or None)
        with client.getresponse() as answer:
            return HttpAnswer(answer.status, answer.getheader("retry-after"))


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "timeout"
        case ssl.SSLError():
            return "tls"
        case OSError():
            return "connection"
        case _:
            return "no_http"


def _connect(destination: Destination, seconds: float) -> tuple[socket.socket, str]:
    """Connect to the first address that accepts, within these seconds; return that address too."""
    end = time.monotonic() + seconds
    *others, last = destination.addresses[:_ADDRESSES_TRIED]
    for address in others:
        try:
            return _connect_to(address, destination.port, end), address
        except OSError:
            continue
    return _connect_to(last, destination.port, end), last


def _connect_to(address: str, port: int, end: float) -> socket.socket:
    seconds = min(_CONNECT_SECONDS, end - time.monotonic())
    if seconds <= 0:
        raise TimeoutError
    return socket.create_connection((address, port), seconds)
