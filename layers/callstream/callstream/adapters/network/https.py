"""HTTP to tenants' servers: to the address that was looked at, for a bounded time."""

import http.client
import socket
import ssl
from contextlib import suppress
from ipaddress import ip_address
from threading import Timer
from typing import Final
from urllib.parse import urlsplit

from callstream.callbacks.delivery import HttpAnswer, NoAnswer
from callstream.callbacks.model import CallbackRequest
from callstream.destinations import Destination

_CONNECT_SECONDS: Final = 3.0
_TOTAL_SECONDS: Final = 10.0
_ADDRESSES_TRIED: Final = 3
_USER_AGENT: Final = "Callstream"


class PinnedClient:
    """Sends each request over a connection of its own, to the destination's own addresses.

    http.client and not a library on top of it: those connect to names, and have a time-out for each
    read but none for all of them, so that who sends a byte now and then holds the function. The
    answer's body is not read.

    Args:
        local: take any certificate of this machine itself; for the local stack alone.
        total_seconds: for a request, from the first try to connect to the answer's last header.
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
        exchange = _Exchange(request, destination, local=self._local, tls=self._tls)
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
        if exchange.is_given_up:  # then it was cut off, and its headers may look complete
            raise NoAnswer("timeout")
        return answer


class _Exchange:
    """One request and its answer, which another thread may give up."""

    def __init__(
        self,
        request: CallbackRequest,
        destination: Destination,
        *,
        local: bool,
        tls: ssl.SSLContext,
    ) -> None:
        self._request = request
        self._destination = destination
        self._local = local
        self._tls = tls
        self._socket: socket.socket | None = None
        self.is_given_up = False

    def run(self) -> HttpAnswer:
        """Do it."""
        self._socket, address = _connect(self._destination)
        if self._destination.tls:
            # The handshake comes after, so that this can be given up too.
            self._socket = secured = self._context(address).wrap_socket(
                self._socket,
                server_hostname=self._destination.host.rstrip("."),
                do_handshake_on_connect=False,
            )
            secured.do_handshake()
        if self.is_given_up:
            raise TimeoutError
        self._socket.settimeout(_TOTAL_SECONDS)
        return self._say(self._socket)

    def give_up(self) -> None:
        """End the connection under whoever waits for it."""
        self.is_given_up = True
        connection = self._socket
        if connection is not None:
            with suppress(OSError):  # it has ended
                # Past TLS, whose state is the other thread's.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()

    def _context(self, address: str) -> ssl.SSLContext:
        if self._local and ip_address(address).is_loopback:
            return ssl._create_unverified_context()  # noqa: S323, SLF001  # it may be self-signed
        return self._tls

    def _say(self, connection: socket.socket) -> HttpAnswer:
        request, destination = self._request, self._destination
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        talk = http.client.HTTPConnection(destination.host, destination.port)
        talk.sock = connection
        talk.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        headers = {
            "host": parts.netloc,
            "user-agent": _USER_AGENT,
            **request.headers,
            "connection": "close",
        }
        if request.method == "POST":
            headers["content-length"] = str(len(request.body))
        for name, value in headers.items():
            talk.putheader(name, value)
        talk.endheaders(request.body or None)
        with talk.getresponse() as answer:
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


def _connect(destination: Destination) -> tuple[socket.socket, str]:
    """Connect to the first of the addresses that takes us; which one."""
    *others, last = destination.addresses[:_ADDRESSES_TRIED]
    for address in others:
        try:
            return socket.create_connection((address, destination.port), _CONNECT_SECONDS), address
        except OSError:
            continue
    return socket.create_connection((last, destination.port), _CONNECT_SECONDS), last
