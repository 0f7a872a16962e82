"""The speech engine of Amazon Transcribe, by its WebSocket.

Not by an SDK: docs/decisions.md says why.
"""

import asyncio
import logging
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final
from uuid import uuid4

from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session as BotocoreSession
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from callstream.adapters.aws.transcribe_failures import failure_of, refusal_of
from callstream.adapters.aws.transcribe_results import Results
from callstream.adapters.aws.transcribe_wire import (
    PIECE_MS,
    PORT,
    FrameReader,
    audio_frame,
    parameters,
    signed_url,
)
from callstream.adapters.network.connecting import Connect, watched
from callstream.transcription.engine import SAMPLE_RATE, EngineFailed, SessionSettings, Utterance

LANGUAGES: Final = frozenset({"en-US", "es-US"})
"""Of Amazon's languages, those with private data marked."""

_MOST_CHANNELS: Final = 2
_SAMPLE_BYTES: Final = 2
# Amazon ends a session after four hours.
_LONGEST_SECONDS: Final = 3.8 * 3600
# If credentials expire, a session is said to fall silent. botocore renews them ten minutes before;
# two of these are left to wait for a quiet moment.
_TEMPORARY_SECONDS: Final = 480.0
_OPEN_SECONDS: Final = 10
_CLOSE_SECONDS: Final = 2
# Sooner than `Results` takes silence for an answer.
_UNACKNOWLEDGED_SECONDS: Final = 10
_LOOK_SECONDS: Final = 1.0
_MOST_BYTES: Final = 1 << 20

# websockets logs URLs and messages at the level DEBUG. The URL is a secret, and messages quote.
_silent = logging.getLogger(f"{__name__}.websocket")
_silent.disabled = True


class TranscribeEngine:
    """Amazon Transcribe.

    Args:
        session: has the credentials and the region.
        endpoint: `wss://` or `ws://`, host and port, in place of Amazon's own.
    """

    def __init__(self, session: BotocoreSession, endpoint: str | None = None) -> None:
        self._credentials = session.get_credentials()
        self._region = str(session.get_config_variable("region"))
        self._endpoint = endpoint or _endpoint(self._region)

    @property
    def languages(self) -> AbstractSet[str]:
        """The languages that are recognised."""
        return LANGUAGES

    @property
    def longest_session_s(self) -> float:
        """After how many seconds a new session should follow.

        Credentials that are never renewed, as those in the environment of a Lambda function, are
        the same in a new session.
        """
        renewed = isinstance(self._credentials, RefreshableCredentials)
        return _TEMPORARY_SECONDS if renewed else _LONGEST_SECONDS

    async def open(self, settings: SessionSettings) -> "TranscribeSession":
        """Open a session.

        Raises:
            EngineFailed: Amazon refuses, or is not reached.
        """
        if settings.language not in LANGUAGES:
            raise EngineFailed("language", is_permanent=True)
        if settings.channels > _MOST_CHANNELS:
            raise EngineFailed("too many channels", is_permanent=True)
        if self._credentials is None:
            raise EngineFailed("no credentials", is_permanent=True)
        try:
            # Renewing them takes requests.
            credentials = await asyncio.to_thread(self._credentials.get_frozen_credentials)
        except BotoCoreError:
            raise EngineFailed("no credentials") from None
        query = parameters(settings, str(uuid4()))
        url = signed_url(self._endpoint, self._region, credentials, query)
        return TranscribeSession(await _connect(url, self._endpoint), settings.channels)


def _endpoint(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"wss://transcribestreaming.{region}.{suffix}:{PORT}"


async def _connect(url: str, endpoint: str) -> ClientConnection:
    connecting = Connect(
        url,
        origin=Origin(endpoint.replace("ws", "http", 1)),
        logger=_silent,
        proxy=None,
        compression=None,
        open_timeout=_OPEN_SECONDS,
        close_timeout=_CLOSE_SECONDS,
        max_size=_MOST_BYTES,
        # Amazon does not promise to answer pings.
        ping_interval=None,
    )
    # No cause: it may quote the URL.
    try:
        return await watched(connecting, _UNACKNOWLEDGED_SECONDS)
    except InvalidStatus as refused:
        answer = refused.response
        body = bytes(answer.body or b"")
        raise refusal_of(answer.status_code, answer.headers, body) from None
    except TimeoutError:
        raise EngineFailed("no answer in time") from None
    except (OSError, InvalidHandshake):
        raise EngineFailed("not reached") from None


class TranscribeSession:
    """A session with Amazon Transcribe."""

    def __init__(self, connection: ClientConnection, channels: int) -> None:
        self._connection = connection
        self._bytes_ms = channels * _SAMPLE_BYTES * SAMPLE_RATE // 1000
        self._waiting = bytearray()
        self._fed_bytes = 0
        self._finished = False
        self._results = Results(channels)
        self._failure: EngineFailed | None = None
        self._news = asyncio.Event()
        # A task of its own: what Amazon has said last explains why a `feed` fails.
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(lambda _: self._news.set())

    async def feed(self, audio: bytes) -> None:
        """Send audio, in pieces that Amazon likes. What is left over waits for more audio.

        Raises:
            EngineFailed: the session has failed.
        """
        self._waiting += audio
        piece_bytes = PIECE_MS * self._bytes_ms
        while len(self._waiting) >= piece_bytes:
            await self._send(bytes(self._waiting[:piece_bytes]))
            del self._waiting[:piece_bytes]

    async def finish(self) -> None:
        """End the audio. If the session has failed, `receive` raises that."""
        with suppress(EngineFailed):
            if self._waiting:
                await self._send(bytes(self._waiting))
                self._waiting.clear()
            await self._send(b"")
            self._finished = True

    async def receive(self) -> Utterance | None:
        """Wait for the next utterance; None after the last one.

        Raises:
            EngineFailed: the session has failed.
        """
        while (utterance := self._results.take()) is None:
            if self._failure is not None:
                raise self._failure
            if self._reading.done():
                self._reading.result()
                return None
            self._news.clear()
            await self._news.wait()
        return utterance

    def settled_ms(self, channel: int) -> int:
        """Up to where this channel's audio is done."""
        return self._results.settled_ms(channel)

    async def close(self) -> None:
        """Close the connection, in any state."""
        self._fail(EngineFailed("closed"))
        self._reading.cancel()
        await self._connection.close()

    async def _send(self, audio: bytes) -> None:
        if self._failure is None:
            try:
                async with asyncio.timeout(_UNACKNOWLEDGED_SECONDS):
                    await self._connection.send(audio_frame(audio))
            except ConnectionClosed:
                # The reader knows why.
                await asyncio.wait([self._reading])
            except TimeoutError:
                self._fail(EngineFailed("takes no audio"))
        if self._failure is not None:
            raise self._failure
        self._fed_bytes += len(audio)
        self._results.fed(self._fed_bytes // self._bytes_ms)

    async def _read(self) -> None:
        frames = FrameReader()
        try:
            while True:
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        message = await self._connection.recv(decode=False)
                except TimeoutError:
                    self._results.look()
                    continue
                for frame in frames.read(message):
                    if frame.is_exception:
                        raise failure_of(frame.kind, frame.payload)
                    if frame.kind == "TranscriptEvent":
                        self._results.add(frame.payload)
                self._news.set()
        except EngineFailed as failure:
            self._fail(failure)
        except ConnectionClosed as closed:
            # Without a close frame, results may be missing.
            if self._finished and closed.rcvd is not None:
                self._results.end()
            else:
                self._fail(EngineFailed("connection lost"))

    def _fail(self, failure: EngineFailed) -> None:
        self._failure = self._failure or failure
        self._news.set()
