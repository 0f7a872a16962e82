"""The WebSockets of a relay: to its consumer, and to the relay API, which brings it records."""

import asyncio
import logging
import ssl
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from callstream.adapters.network.connecting import Connect, watched
from callstream.destinations import Destination
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames.records import Record
from callstream.identity import RelayIdentity
from callstream.relays.batches import read_batch
from callstream.relays.ports import ConsumerGone, DialFailed
from callstream.relays.subscriptions import SubscribeRequest, confirmed_stream, left_out_stream

_logger = logging.getLogger(__name__)

_OPEN_SECONDS: Final = 10
_MOST_ADDRESSES: Final = 3
"""Limits dialling a name whose many addresses do not answer to half a minute."""
_CLOSE_SECONDS: Final = 5
# 90 seconds of the widest audio, L16 at 48 kHz, are 11.5 MB in base64.
_MOST_BYTES: Final = 1 << 24
# Messages that were received before the relay reads them; each may be as large.
_MOST_UNREAD: Final = 2
_SIGNED_SECONDS: Final = 60
MOST_WAITING: Final = 24_000_000
"""Messages of records with so many bytes wait for a relay that catches up. Later ones are left out,
and read from Kinesis afterwards: API Gateway throttles relays that it has to wait for."""


class ConsumerSocket:
    """A connection to a consumer."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a message. Raises `ConsumerGone`."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise ConsumerGone(closed.rcvd.code if closed.rcvd else None) from None

    async def receive(self) -> str | bytes:
        """Wait for the next message. Raises `ConsumerGone`."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise ConsumerGone(closed.rcvd.code if closed.rcvd else None) from None

    async def close(self, code: int) -> None:
        """Close the connection; fine if the consumer is gone."""
        await self._connection.close(code)


async def dial(
    url: str, destination: Destination, headers: Mapping[str, str], *, trust_any: bool = False
) -> ConsumerSocket:
    """Connect to a consumer at its vetted addresses, one after the other.

    Args:
        url: the consumer's URL.
        destination: what vetting has found out about the URL.
        headers: for the handshake.
        trust_any: accept any certificate; for the local stack alone.

    Raises:
        DialFailed: no address answers as a WebSocket server does.
    """
    context = ssl.create_default_context() if destination.tls else None
    if context is not None and trust_any:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reason = "refused"
    for address in destination.addresses[:_MOST_ADDRESSES]:
        try:
            connection = await watched(
                Connect(
                    url,
                    host=address,
                    port=destination.port,
                    ssl=context,
                    server_hostname=destination.host if context else None,
                    additional_headers=headers,
                    proxy=None,
                    compression=None,
                    open_timeout=_OPEN_SECONDS,
                    close_timeout=_CLOSE_SECONDS,
                    max_size=_MOST_BYTES,
                    max_queue=_MOST_UNREAD,
                    # A slow consumer answers a ping only when it has read what was sent before.
                    ping_timeout=None,
                    # `send` returns when the kernel has the message, and the kernel outlives this
                    # process. (With 0, asyncio's TLS would wait for ever.)
                    write_limit=1,
                )
            )
            return ConsumerSocket(connection)
        except TimeoutError:
            reason = "timeout"
        except ssl.SSLError:
            reason = "tls"
        except (ConnectionResetError, ConnectionAbortedError):
            # A server that takes the connection and ends it at the TLS handshake speaks no TLS.
            reason = "tls" if destination.tls else "refused"
        except OSError:
            reason = "refused"
        except InvalidURI:
            raise DialFailed("invalid_url") from None
        except InvalidHandshake:
            # The server has answered, so its other addresses would answer the same.
            raise DialFailed("handshake") from None
    raise DialFailed(reason)


class FeedSocket:
    """A run's connection to the relay API, which brings it records."""

    def __init__(self, connection: ClientConnection, relay: RelayIdentity, run_id: str) -> None:
        self._connection = connection
        self._relay, self._run_id = relay, run_id
        self._confirmed: dict[str, asyncio.Event] = {}
        self._batches: asyncio.Queue[tuple[Sequence[Record], int] | None] = asyncio.Queue()
        self._waiting = 0
        self._left_out: set[str] = set()
        self._reading = asyncio.create_task(self._read())

    async def subscribe(self, stream_id: str) -> None:
        """Subscribe to a stream: its records come from when this returns. Raises `Unavailable`."""
        confirmed = self._confirmed[stream_id] = asyncio.Event()
        request = SubscribeRequest.of(stream_id, self._relay, self._run_id)
        try:
            await self._connection.send(request.encode())
            async with asyncio.timeout(_OPEN_SECONDS):
                await confirmed.wait()
        except (ConnectionClosed, TimeoutError):
            raise Unavailable("feed", "NotSubscribed") from None

    async def receive(self) -> Sequence[Record]:
        """Wait for the next records. Raises `Unavailable` if the connection has ended."""
        batch = await self._batches.get()
        if batch is None:
            raise Unavailable("feed", "Closed")
        found, size = batch
        self._waiting -= size
        return found

    def left_out(self) -> Collection[str]:
        """The streams of which records were left out since the last call."""
        left_out, self._left_out = self._left_out, set()
        return left_out

    async def close(self) -> None:
        """Close the connection."""
        self._reading.cancel()
        await self._connection.close()

    async def _read(self) -> None:
        try:
            async for message in self._connection:
                text = message if isinstance(message, str) else message.decode()
                if (stream_id := confirmed_stream(text)) is not None:
                    self._confirmed[stream_id].set()
                    continue
                if (stream_id := left_out_stream(text)) is not None:
                    self._left_out.add(stream_id)
                    continue
                with suppress(UnreadableMessage):
                    self._put(read_batch(text), len(text))
        except ConnectionClosed:
            pass
        finally:
            self._batches.put_nowait(None)

    def _put(self, batch: Sequence[Record], size: int) -> None:
        if self._waiting < MOST_WAITING:
            self._batches.put_nowait((batch, size))
            self._waiting += size
        else:
            self._left_out.update(record.stream_id for record in batch)


async def open_feed(url: str, relay: RelayIdentity, run_id: str) -> FeedSocket:
    """Connect to the relay API as this function's role.

    Args:
        url: the API's URL.
        relay: the relay that gets the records.
        run_id: the run that has the connection, and is rescued if the connection is gone.

    Raises:
        Unavailable: the API does not answer.
    """
    session = get_session()
    credentials, region = session.get_credentials(), session.get_config_variable("region")
    if credentials is None:
        raise Unavailable("feed", "NoCredentials")
    request = AWSRequest("GET", url.replace("ws", "http", 1))
    SigV4QueryAuth(credentials, "execute-api", region, _SIGNED_SECONDS).add_auth(request)
    signed = str(request.url).replace("http", "ws", 1)
    try:
        connection = await watched(
            Connect(
                signed,
                proxy=None,
                compression=None,
                open_timeout=_OPEN_SECONDS,
                max_size=None,
                # API Gateway does not promise to answer pings.
                ping_timeout=None,
            )
        )
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise Unavailable("feed", type(error).__name__) from None
    return FeedSocket(connection, relay, run_id)
