"""Requests to tenants' servers, over pairs of sockets in place of the network."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callstream.adapters.network.dns import resolve
from callstream.adapters.network.https import PinnedClient
from callstream.callbacks.delivery import HttpAnswer, NoAnswer
from callstream.callbacks.model import CallbackRequest
from callstream.destinations import Destination

POST = CallbackRequest(
    method="POST",
    url="http://app.example.com:8080/hook?x=1",
    headers={"content-type": "application/json", "x-signature": "abc"},
    body=b"{}",
)
PLAIN = Destination("app.example.com", 8080, ("203.0.114.7",), tls=False)
SECURE = Destination("app.example.com", 443, ("203.0.114.7",), tls=True)

type Serve = Callable[[socket.socket], None]


class Network:
    """Each connection leads to the server; addresses in `dead` refuse."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.dead: set[str] = set()
        self.asked: list[str] = []
        self.threads: list[Thread] = []

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.asked.append(address[0])
        if address[0] in self.dead:
            raise ConnectionRefusedError
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        thread = Thread(target=self._run, args=(theirs,))
        self.threads.append(thread)
        thread.start()
        return ours

    def _run(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.serve(connection)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    network = Network(answering(b"HTTP/1.1 200 OK\r\n\r\n"))
    monkeypatch.setattr(socket, "create_connection", network.connect)
    yield network
    for thread in network.threads:
        thread.join(10)


def answering(answer: bytes, got: list[bytes] | None = None) -> Serve:
    """Reads a request, answers, and hangs up."""

    def serve(connection: socket.socket) -> None:
        data = b""
        while not data.endswith((b"\r\n\r\n{}", b"\r\n\r\n")) or data.endswith(b"2\r\n\r\n"):
            data += connection.recv(4096)
        if got is not None:
            got.append(data)
        connection.sendall(answer)

    return serve


def test_a_request_as_it_is_sent(network: Network) -> None:
    got: list[bytes] = []
    network.serve = answering(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\n\r\n", got)

    assert PinnedClient().send(POST, PLAIN) == HttpAnswer(503, "7")
    assert network.asked == ["203.0.114.7"]
    first, *headers = got[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert first == "POST /hook?x=1 HTTP/1.1"
    assert sorted(headers) == [
        "connection: close",
        "content-length: 2",
        "content-type: application/json",
        "host: app.example.com:8080",
        "user-agent: Callstream",
        "x-signature: abc",
    ]


def test_get_has_no_body_and_always_a_path(network: Network) -> None:
    got: list[bytes] = []
    network.serve = answering(b"HTTP/1.1 204 None\r\n\r\n", got)
    request = CallbackRequest(method="GET", url="http://app.example.com:8080?x=1")

    assert PinnedClient().send(request, PLAIN) == HttpAnswer(204)
    assert got[0].startswith(b"GET /?x=1 HTTP/1.1\r\n")
    assert b"content-length" not in got[0]


def test_redirects_are_answers(network: Network) -> None:
    network.serve = answering(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n")

    assert PinnedClient().send(POST, PLAIN) == HttpAnswer(302)
    assert len(network.asked) == 1


def test_a_large_answer_is_not_read(network: Network) -> None:
    network.serve = answering(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(50_000_000))

    assert PinnedClient().send(POST, PLAIN) == HttpAnswer(200)


def test_the_next_address_is_tried(network: Network) -> None:
    network.dead = {"203.0.114.1"}
    destination = Destination("a.example", 80, ("203.0.114.1", "203.0.114.2"), tls=False)

    assert PinnedClient().send(POST, destination) == HttpAnswer(200)
    assert network.asked == ["203.0.114.1", "203.0.114.2"]


def test_but_not_any_number_of_them(network: Network) -> None:
    addresses = tuple(f"203.0.114.{number}" for number in range(20))
    network.dead = set(addresses)

    assert refusal(POST, Destination("a.example", 80, addresses, tls=False)) == "connection"
    assert len(network.asked) == 3


def refusal(request: CallbackRequest, destination: Destination, seconds: float = 5) -> str:
    with pytest.raises(NoAnswer) as caught:
        PinnedClient(total_seconds=seconds).send(request, destination)
    return caught.value.reason


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_http(network: Network, answer: bytes) -> None:
    network.serve = answering(answer)

    assert refusal(POST, PLAIN) in {"no_http", "connection"}


@pytest.mark.parametrize("tls", [False, True])
def test_server_that_is_silent_or_never_finishes_is_given_up(
    network: Network, *, tls: bool
) -> None:
    # All servers end long after the time-out, and then the reason is not the time-out.
    def drip(connection: socket.socket) -> None:
        """A TLS record that never ends, or headers that never do."""
        connection.sendall(b"\x16\x03\x03\x40\x00" if tls else b"HTTP/1.1 200 OK\r\n")
        for _ in range(1500):
            connection.sendall(b"x")
            time.sleep(0.02)

    def stay_silent(connection: socket.socket) -> None:
        connection.settimeout(30)
        while connection.recv(4096):
            pass

    def put_off(connection: socket.socket) -> None:
        """Answers that say that the answer comes later."""
        for _ in range(1500):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.02)

    for serve in (drip, stay_silent, *(() if tls else (put_off,))):
        network.serve = serve
        assert refusal(POST, SECURE if tls else PLAIN, seconds=0.5) == "timeout"


def test_silent_addresses_take_no_more_than_a_requests_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 0.0

    def connect(_address: tuple[str, int], timeout: float) -> socket.socket:
        nonlocal passed
        passed += timeout
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(time, "monotonic", lambda: passed)
    addresses = tuple(f"203.0.114.{number}" for number in range(3))

    assert refusal(POST, Destination("a.example", 80, addresses, tls=False)) == "timeout"
    assert passed == 5


class Server:
    """A TLS server with a certificate for these names, by an authority of its own."""

    def __init__(self, folder: Path, *names: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        alternatives = [
            x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        self.path = folder / "server.pem"
        self.path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.path)
        self._context.sni_callback = self._asked
        self.asked_for: list[str | None] = []

    def __call__(self, connection: socket.socket) -> None:
        with (
            suppress(ssl.SSLError),
            self._context.wrap_socket(connection, server_side=True) as secured,
        ):
            answering(b"HTTP/1.1 200 OK\r\n\r\n")(secured)

    def _asked(self, _socket: object, name: str | None, _context: object) -> None:
        self.asked_for.append(name)


HTTPS = CallbackRequest(method="POST", url="https://app.example.com/", body=b"{}")


def test_the_certificate_must_be_for_the_name(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = network.serve = Server(tmp_path, "app.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.path))

    assert PinnedClient().send(HTTPS, SECURE) == HttpAnswer(200)
    assert server.asked_for == ["app.example.com"]
    assert network.asked == ["203.0.114.7"]
    other = Destination("other.example", 443, ("203.0.114.7",), tls=True)
    assert refusal(HTTPS, other) == "tls"


def test_the_certificate_must_be_by_an_authority_that_is_known(
    network: Network, tmp_path: Path
) -> None:
    network.serve = Server(tmp_path, "app.example.com", "127.0.0.1")
    here = Destination("127.0.0.1", 443, ("127.0.0.1",), tls=True)

    assert refusal(HTTPS, SECURE) == "tls"
    assert refusal(HTTPS, here) == "tls"
    local = PinnedClient(local=True)
    assert local.send(HTTPS, here) == HttpAnswer(200)
    with pytest.raises(NoAnswer):
        local.send(HTTPS, SECURE)


def test_names_are_resolved_ipv4_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(None, None, None, "", (address, 80)) for address in ("2606:4700::7", "203.0.114.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)

    assert resolve("app.example.com", 80) == ["203.0.114.7", "2606:4700::7"]
