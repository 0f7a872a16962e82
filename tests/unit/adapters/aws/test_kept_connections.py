"""Requests over kept connections, whatever happens to these: pairs of sockets are the network."""

import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from callstream.adapters.aws import kept_connections
from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream_cli.listener.certificate import self_signed

HOST = "kinesis.example"
GOOD = b'HTTP/1.1 200 OK\r\nX-Amzn-RequestId: 1\r\nContent-Length: 11\r\n\r\n{"Shard":1}'
CHUNKED = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
ENDED_BY_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n{}"

type Serve = Callable[[socket.socket], None]


class Near(socket.socket):
    """The client's end of a pair, which knows no options of TCP."""

    longest = 0.0
    """The longest time for which the client has waited."""

    def setsockopt(self, *_: Any) -> None:
        pass

    def recv_into(self, *arguments: Any) -> int:
        Near.longest = max(Near.longest, self.gettimeout() or math.inf)
        return super().recv_into(*arguments)


class Network:
    """Each connection leads to `serve`."""

    def __init__(self) -> None:
        self.serve: Serve = serving(GOOD)
        self.asked: list[tuple[Any, float]] = []
        self.error: OSError | None = None
        self.far: list[socket.socket] = []
        self._threads: list[Thread] = []

    def connect(self, address: Any, timeout: float) -> socket.socket:
        self.asked.append((address, timeout))
        if self.error is not None:
            raise self.error
        near, far = socket.socketpair()
        far.settimeout(10)  # so that a test that fails ends
        self.far.append(far)
        thread = Thread(target=self._run, args=(far, self.serve))
        self._threads.append(thread)
        thread.start()
        connected = Near(fileno=near.detach())
        connected.settimeout(timeout)
        return connected

    def _run(self, far: socket.socket, serve: Serve) -> None:
        with far, suppress(OSError):
            serve(far)

    def end(self) -> None:
        for far in self.far:
            with suppress(OSError):
                far.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    network = Network()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    yield network
    network.end()


def request_of(far: socket.socket) -> bytes:
    """Read a request with a body of 2 bytes; raises ConnectionError if the client has closed."""
    request = b""
    while request[-6:-2] != b"\r\n\r\n":
        if not (piece := far.recv(65536)):
            raise ConnectionAbortedError
        request += piece
    return request


def serving(*answers: bytes, then: bytes = b"") -> Serve:
    """A server that gives these answers on a connection, and closes it after `then`."""

    def serve(far: socket.socket) -> None:
        for answer in answers:
            request_of(far)
            far.sendall(answer)
        if then:
            far.sendall(then)
        else:
            request_of(far)

    return serve


def post(connections: KeptConnections, body: bytes = b"{}") -> Answer:
    return connections.exchange("POST", "/", {"host": HOST, "x-y": "z"}, body)


def closed(connections: KeptConnections) -> None:
    """Close what is kept."""
    connections._forget()


@pytest.fixture
def kept(network: Network) -> Iterator[KeptConnections]:
    assert not network.asked
    connections = KeptConnections(f"http://{HOST}", 3, 5)
    yield connections
    closed(connections)


def test_request_is_http(network: Network, kept: KeptConnections) -> None:
    seen: list[bytes] = []

    def serve(far: socket.socket) -> None:
        seen.append(request_of(far))
        far.sendall(GOOD)

    network.serve = serve
    assert post(kept) == Answer(
        200, {"x-amzn-requestid": "1", "content-length": "11"}, b'{"Shard":1}'
    )
    assert network.asked == [((HOST, 80), 3)]
    assert seen[0].split(b"\r\n") == [
        b"POST / HTTP/1.1",
        b"host: kinesis.example",
        b"x-y: z",
        b"user-agent: Callstream",
        b"content-length: 2",
        b"",
        b"{}",
    ]


@pytest.mark.parametrize(
    ("endpoint", "host", "address"),
    [
        ("https://a.example", "a.example", ("a.example", 443)),
        ("https://a.example:443/media", "a.example", ("a.example", 443)),
        ("http://A.example:4566", "a.example:4566", ("a.example", 4566)),
        ("http://[::1]:80", "[::1]", ("::1", 80)),
    ],
)
def test_host_has_no_port_that_is_the_schemes_own(
    endpoint: str, host: str, address: tuple[str, int], network: Network
) -> None:
    network.error = OSError()
    connections = KeptConnections(endpoint, 1, 1)
    with pytest.raises(NoAnswer):
        post(connections)

    assert (connections.host, network.asked[0][0]) == (host, address)


def test_connection_can_be_made_before_the_first_request(
    network: Network, kept: KeptConnections
) -> None:
    kept.connect()
    assert len(network.asked) == 1

    post(kept)
    assert len(network.asked) == 1


@pytest.mark.parametrize("answer", [GOOD, CHUNKED])
def test_connection_is_kept_for_the_next_request(
    network: Network, kept: KeptConnections, answer: bytes
) -> None:
    network.serve = serving(answer, answer, answer)

    assert post(kept) == post(kept) == post(kept)
    assert len(network.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    ],
)
def test_connection_that_the_other_side_ends_is_not_kept(
    network: Network, kept: KeptConnections, answer: bytes
) -> None:
    network.serve = lambda far: far.sendall(answer) if request_of(far) else None

    assert post(kept).body == b'{"Shard":1}'
    assert not kept._kept


def test_connection_that_was_closed_while_idle_is_no_error(
    network: Network, kept: KeptConnections
) -> None:
    network.serve = lambda far: far.sendall(GOOD) if request_of(far) else None
    first = post(kept)
    network.end()

    assert post(kept) == first
    assert len(network.asked) == 2


def test_connection_that_closes_when_the_next_request_comes_is_no_error(
    network: Network, kept: KeptConnections
) -> None:
    network.serve = serving(GOOD)  # the second request gets no byte
    first = post(kept)

    assert post(kept) == first
    assert len(network.asked) == 2


def test_connection_that_closes_within_the_next_answer_is_an_error(
    network: Network, kept: KeptConnections
) -> None:
    def half(far: socket.socket) -> None:
        request_of(far)
        far.sendall(GOOD)
        request_of(far)
        far.sendall(GOOD[:-5])

    network.serve = half
    post(kept)
    with pytest.raises(NoAnswer, match="ConnectionClosedError"):
        post(kept)
    assert len(network.asked) == 1


def test_connection_with_bytes_that_nobody_asked_for_is_not_used(
    network: Network, kept: KeptConnections
) -> None:
    network.serve = serving(GOOD)
    first = post(kept)
    network.far[0].sendall(b"HTTP/1.1 500 Not Yours\r\n\r\n")

    assert post(kept) == first
    assert len(network.asked) == 2


def test_connection_that_was_idle_for_long_is_not_used(
    network: Network, kept: KeptConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.serve = serving(GOOD, GOOD)
    post(kept)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    post(kept)

    assert len(network.asked) == 2


def test_failure_gives_up_all_kept_connections(network: Network, kept: KeptConnections) -> None:
    together = Barrier(2, timeout=30)

    def serve(far: socket.socket) -> None:
        request_of(far)
        together.wait()
        far.sendall(GOOD)
        request_of(far)

    network.serve = serve
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(post, [kept, kept]))
    assert len(kept._kept) == 2
    network.serve = serving(GOOD)
    post(kept)

    # The first that was used again is closed; the other is as old.
    assert len(network.asked) == 3
    assert len(kept._kept) == 1


@pytest.mark.parametrize(("answer", "complete"), [(GOOD, len(GOOD)), (CHUNKED, len(CHUNKED) - 4)])
def test_answer_that_is_cut_anywhere_is_no_answer(
    network: Network, kept: KeptConnections, answer: bytes, complete: int
) -> None:
    for length in range(complete):
        network.serve = lambda far, part=answer[:length]: (  # type: ignore[misc]
            far.sendall(part) if request_of(far) else None
        )
        with pytest.raises(NoAnswer) as raised:
            post(kept)
        assert raised.value.is_sent
        assert raised.value.code in {"ConnectionClosedError", "HTTPClientError"}
    network.serve = serving(answer)
    assert post(kept).status in {200, 400}


def test_answer_that_only_ends_with_the_connection_is_no_answer(
    network: Network, kept: KeptConnections
) -> None:
    network.serve = lambda far: far.sendall(ENDED_BY_CLOSE) if request_of(far) else None

    with pytest.raises(NoAnswer, match="HTTPClientError"):
        post(kept)


def test_answer_that_is_garbled_anywhere_does_no_harm_to_the_next(
    network: Network, kept: KeptConnections
) -> None:
    for place in range(len(GOOD)):
        for byte in (b"\x00", b"\xff", b"\n", b"9"):
            garbled = GOOD[:place] + byte + GOOD[place + 1 :]
            network.serve = lambda far, part=garbled: (  # type: ignore[misc]
                far.sendall(part) if request_of(far) else None
            )
            with suppress(NoAnswer):
                post(kept)
    network.serve = serving(GOOD)
    assert post(kept).body == b'{"Shard":1}'


def test_answer_may_come_in_any_pieces(network: Network, kept: KeptConnections) -> None:
    def serve(far: socket.socket) -> None:
        request_of(far)
        for byte in CHUNKED:
            far.sendall(bytes([byte]))

    network.serve = serve
    assert post(kept).body == b"{}"


@pytest.mark.parametrize("begins", [b"", GOOD[:9], GOOD[:-1]])
def test_answer_that_does_not_end_is_given_up(network: Network, begins: bytes) -> None:
    connections = KeptConnections(f"http://{HOST}", 1, 0.05)
    network.serve = serving(begins)
    Near.longest = 0

    with pytest.raises(NoAnswer, match="ReadTimeoutError") as raised:
        post(connections)
    assert raised.value.is_sent
    assert 0 < Near.longest <= 0.05


def test_answer_that_trickles_is_given_up(network: Network) -> None:
    connections = KeptConnections(f"http://{HOST}", 1, 0.1)

    def serve(far: socket.socket) -> None:
        request_of(far)
        while True:  # until the client closes
            far.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.01)

    network.serve = serve
    with pytest.raises(NoAnswer, match="ReadTimeoutError"):
        post(connections)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000),
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200_000,
        bytes(1_000_000),
    ],
)
def test_answer_that_is_too_long_is_given_up(
    network: Network, kept: KeptConnections, answer: bytes
) -> None:
    network.serve = serving(answer)

    with pytest.raises(NoAnswer, match="HTTPClientError"):
        post(kept)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "ConnectTimeoutError"),
        (ConnectionRefusedError(), "EndpointConnectionError"),
        (socket.gaierror(), "EndpointConnectionError"),
    ],
)
def test_endpoint_that_cannot_be_reached_gets_nothing(
    network: Network, kept: KeptConnections, error: OSError, code: str
) -> None:
    network.error = error

    with pytest.raises(NoAnswer, match=code) as raised:
        post(kept)
    assert not raised.value.is_sent


def test_threads_get_their_own_answers_and_few_connections_are_kept(
    network: Network, kept: KeptConnections
) -> None:
    together = Barrier(20, timeout=30)

    def serve(far: socket.socket) -> None:
        while True:
            body = request_of(far)[-2:]
            together.wait()
            far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)

    network.serve = serve
    with ThreadPoolExecutor(20) as pool:
        bodies = [b"%02d" % number for number in range(20)]
        answers = list(pool.map(lambda body: post(kept, body).body, bodies))

    assert answers == bodies
    assert len(kept._kept) == 10


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ssl.SSLContext]:
    """The server's side of a certificate that the client trusts."""
    certificate = self_signed(HOST)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.pem)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    kept_connections._tls.cache_clear()
    yield certificate.server_context()
    kept_connections._tls.cache_clear()


def over_tls(context: ssl.SSLContext, serve: Serve) -> Serve:
    def secured(far: socket.socket) -> None:
        with context.wrap_socket(far, server_side=True) as connection:
            serve(connection)

    return secured


def test_tls_connection_is_kept(network: Network, trusted: ssl.SSLContext) -> None:
    connections = KeptConnections(f"https://{HOST}", 3, 5)
    network.serve = over_tls(trusted, serving(GOOD, GOOD))

    assert post(connections) == post(connections)
    assert network.asked == [((HOST, 443), 3)]
    # The server has left it now.
    assert post(connections).status == 200
    assert len(network.asked) == 2
    closed(connections)


def test_tls_connection_that_was_made_early_is_used(
    network: Network, trusted: ssl.SSLContext
) -> None:
    # TLS 1.3 sends tickets after the handshake: these are no reason to give the connection up.
    is_ready = Event()

    def serve(far: socket.socket) -> None:
        is_ready.set()
        serving(GOOD)(far)

    connections = KeptConnections(f"https://{HOST}", 3, 5)
    network.serve = over_tls(trusted, serve)
    connections.connect()
    assert is_ready.wait(30)
    post(connections)

    assert len(network.asked) == 1
    closed(connections)


def test_tls_answer_that_is_cut_anywhere_is_no_answer(
    network: Network, trusted: ssl.SSLContext
) -> None:
    connections = KeptConnections(f"https://{HOST}", 3, 5)
    for length in range(0, len(GOOD), 10):
        network.serve = over_tls(
            trusted,
            lambda far, part=GOOD[:length]: (  # type: ignore[misc]
                far.sendall(part) if request_of(far) else None
            ),
        )
        with pytest.raises(NoAnswer, match=r"ConnectionClosedError|HTTPClientError"):
            post(connections)


def garbling(far: socket.socket) -> None:
    far.recv(65536)
    far.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize("serve", [garbling, lambda _: None])
@pytest.mark.usefixtures("trusted")
def test_handshake_that_fails_is_an_error(network: Network, serve: Serve) -> None:
    network.serve = serve

    with pytest.raises(NoAnswer) as raised:
        post(KeptConnections(f"https://{HOST}", 3, 5))
    assert not raised.value.is_sent


@pytest.mark.usefixtures("trusted")
def test_handshake_that_does_not_end_is_given_up(network: Network) -> None:
    network.serve = serving(b"")

    with pytest.raises(NoAnswer, match="ConnectTimeoutError"):
        post(KeptConnections(f"https://{HOST}", 0.05, 5))


@pytest.mark.parametrize("host", ["other.example", "example"])
def test_certificate_of_another_host_is_refused(
    network: Network, trusted: ssl.SSLContext, host: str
) -> None:
    network.serve = over_tls(trusted, serving(GOOD))

    with pytest.raises(NoAnswer, match="SSLError"):
        post(KeptConnections(f"https://{host}", 3, 5))


@pytest.mark.usefixtures("trusted")
def test_certificate_of_an_unknown_authority_is_refused(network: Network) -> None:
    network.serve = over_tls(self_signed(HOST).server_context(), serving(GOOD))

    with pytest.raises(NoAnswer, match="SSLError"):
        post(KeptConnections(f"https://{HOST}", 3, 5))
