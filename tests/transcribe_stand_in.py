"""A stand-in for Amazon Transcribe's WebSocket, on this machine alone. It may go wrong on command.

It checks what Amazon checks (`tests.transcribe_checks`), and recognises `tests.tones`.
`python -m tests.transcribe_stand_in` starts it for other processes, until Ctrl-C.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from threading import Event, Thread
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

import audioop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.tones import Ear, Line, ScriptedEar
from tests.transcribe_checks import (
    AUDIO_HEADERS,
    REGION,
    Key,
    Refused,
    bad_request,
    check_signature,
    decode_frame,
    exception_frame,
    transcript_event,
)

PATH: Final = "/stream-transcription-websocket"
PRIVATE: Final = {"4111111111111111": "CREDIT_DEBIT_NUMBER", "8642": "PIN"}
KEYS: Final = {"test": Key("test"), "000000000000": Key("local")}
"""The keys that are known: of tests, and of the local stack's functions."""
_RATE: Final = 8000


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one session, and when: at its start, after so many words, or at its end.

    `cut` drops the connection, `close` closes it, `exception` sends one first, `stall` reads and
    sends nothing any more, `deaf` reads and sends nothing.
    """

    kind: Literal["cut", "close", "exception", "stall", "deaf"]
    when: int | Literal["start", "end"] = "start"
    exception: str = "InternalFailureException"
    message: str = "A problem occurred. Try your request again."


class _Channel:
    """Turns lines into results as Amazon does."""

    def __init__(self, channel_id: str | None, settings: Mapping[str, str], ear: Ear) -> None:
        self.ear = ear
        self._channel_id = channel_id
        self._spoken = settings.get("transcript-format") == "SPOKEN"
        self._marks = settings.get("pii-entity-types", "").split(",")
        self._numbers = count(1)
        self._number = 0

    def results(self, lines: Iterator[Line]) -> list[dict[str, Any]]:
        """The results of lines."""
        return [self._result(line) for line in lines]

    def _result(self, line: Line) -> dict[str, Any]:
        self._number = self._number or next(self._numbers)
        result_id = f"{self._channel_id}-{self._number}"
        if line.is_final:
            self._number = 0
        items, text = [*self._items(line)], ""
        for item in items:
            text += " " * bool(text and item["Type"] == "pronunciation") + item["Content"]
        alternative: dict[str, Any] = {"Transcript": text, "Items": items}
        if line.is_final and (entities := [*self._entities(items)]):
            alternative["Entities"] = entities
        return {
            "Alternatives": [alternative],
            "EndTime": line.words[-1].end_ms / 1000,
            "IsPartial": not line.is_final,
            "ResultId": result_id,
            "StartTime": line.words[0].start_ms / 1000,
        } | ({"ChannelId": self._channel_id} if self._channel_id else {})

    def _items(self, line: Line) -> Iterator[dict[str, Any]]:
        confidence = {"Confidence": 0.9876} if line.is_final else {}
        for number, word in enumerate(line.words):
            text = word.text.rstrip(".,?!")
            times = {"StartTime": word.start_ms / 1000, "EndTime": word.end_ms / 1000}
            yield (
                times
                | confidence
                | {
                    "Content": text if self._spoken or number else text.capitalize(),
                    "Type": "pronunciation",
                    "VocabularyFilterMatch": False,
                }
            )
            is_last = line.is_final and number == len(line.words) - 1
            if not self._spoken and (mark := word.text[len(text) :] or "." * is_last):
                at = times["EndTime"]
                yield {"Content": mark, "Type": "punctuation", "StartTime": at, "EndTime": at}

    def _entities(self, items: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        for item in items:
            if (kind := PRIVATE.get(item["Content"])) in self._marks:
                times = {"StartTime": item["StartTime"], "EndTime": item["EndTime"]}
                yield times | {"Category": "PII", "Type": kind, "Content": item["Content"]}


@dataclass
class StandIn:
    """What the stand-in accepts, how it behaves, and what has happened.

    Attributes:
        keys: the access keys that are known.
        faults: one for each of the next sessions; None for a session without.
        refuses_by_http: whether a bad request is refused at the handshake, by an HTTP status.
        final_delay_s: how long finals take.
        results_an_event: finals that come in one event, with what comes between them.
        idle_s: without audio for so long a session ends.
        longest_s: of a session.
        most_streams: sessions at once.
        port: to listen at; 0 for any.
        script: the lines of each channel, in place of what tones say.
        sessions: the parameters of all sessions so far.
        refusals: the names of all exceptions that were sent because of the client.
        frames: the bytes of audio of all frames so far.
        unfinished: how many sessions were closed without an empty frame before, as by a client that
            dies, or were cut.
    """

    keys: dict[str, Key] = field(default_factory=lambda: dict(KEYS))
    faults: list[Fault | None] = field(default_factory=list)
    refuses_by_http: bool = False
    final_delay_s: float = 0
    results_an_event: int = 1
    idle_s: float = 15
    longest_s: float = 4 * 3600
    most_streams: int = 25
    region: str = REGION
    sessions: list[dict[str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    unfinished: int = 0
    port: int = 0
    script: dict[int, Iterator[str]] | None = None
    url: str = ""
    _open: dict[str, "_StandInSession"] = field(default_factory=dict)

    @property
    def open_sessions(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    def ear(self, channel: int) -> Ear:
        """What recognises a channel of a new session."""
        return Ear() if self.script is None else ScriptedEar(self.script[channel])

    def cut(self) -> None:
        """Drop all connections; from any thread."""
        for session in [*self._open.values()]:
            session.cut()

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._session,
            "127.0.0.1",
            self.port,
            process_request=self._handshake,
            compression=None,
            ping_interval=None,
            # A session that has gone wrong reads no more.
            max_queue=None,
            close_timeout=0.2,
        ).__aenter__()
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            self._check(request)
        except Refused as refused:
            if not self.refuses_by_http:
                return None
            self.refusals.append(refused.exception)
            status = {"BadRequestException": 400, "LimitExceededException": 429}
            body = json.dumps({"Message": refused.message})
            answer = connection.respond(HTTPStatus(status.get(refused.exception, 403)), body)
            answer.headers["x-amzn-errortype"] = f"{refused.exception}:http://internal/"
            return answer
        return None

    def _check(self, request: Request) -> dict[str, str]:
        """The parameters of a request. Raises Refused."""
        if urlsplit(request.path).path != PATH:
            raise Refused("UnknownOperationException", "")
        if "Origin" not in request.headers:
            raise bad_request("no Origin")
        now = datetime.now(UTC)
        check_signature(request.path, request.headers["Host"], self.keys, now, region=self.region)
        settings = dict(parse_qsl(urlsplit(request.path).query))
        if settings.get("media-encoding") != "pcm" or settings.get("sample-rate") != str(_RATE):
            raise bad_request("media-encoding or sample-rate")
        if settings.get("language-code") not in {"en-US", "es-US"}:
            raise bad_request("language-code")
        channels = settings.get("number-of-channels"), settings.get("enable-channel-identification")
        if channels not in {(None, None), ("2", "true")}:
            raise bad_request("number-of-channels and enable-channel-identification go together")
        if settings.get("vocabulary-name", "ours") != "ours":
            raise bad_request("The requested vocabulary couldn't be found.")
        marked = "content-identification-type" in settings
        if ("pii-entity-types" in settings) > marked or "content-redaction-type" in settings:
            raise bad_request("pii-entity-types")
        return settings

    async def _session(self, connection: ServerConnection) -> None:
        try:
            await self._serve(connection)
        except Refused as refused:
            self.refusals.append(refused.exception)
            with suppress(ConnectionClosed):
                await connection.send(exception_frame(refused.exception, refused.message))
                await connection.close()
        except ConnectionClosed:
            self.unfinished += 1

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        settings = self._check(connection.request)
        if len(self._open) >= self.most_streams:
            raise Refused("LimitExceededException", "You have reached your limit of streams.")
        self.sessions.append(settings)
        fault = self.faults.pop(0) if self.faults else None
        session = _StandInSession(self, connection, settings, fault)
        older = self._open.get(session_id := settings.get("session-id", str(id(session))))
        if older is not None:
            older.end_by(Refused("ConflictException", "A new stream has this session id."))
        self._open[session_id] = session
        try:
            with suppress(_Faulted):
                await session.run()
        finally:
            if self._open.get(session_id) is session:
                del self._open[session_id]

    @contextmanager
    def running(self) -> Iterator[Self]:
        """The stand-in, listening in a thread of its own."""
        ready, done = Event(), asyncio.Event()

        async def run() -> None:
            async with self:
                ready.set()
                await done.wait()

        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_until_complete, args=[run()])
        thread.start()
        try:
            ready.wait()
            yield self
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join()
            loop.close()


class _Faulted(Exception):
    """The session has gone wrong as it should."""


class _StandInSession:
    def __init__(
        self,
        service: StandIn,
        connection: ServerConnection,
        settings: Mapping[str, str],
        fault: Fault | None,
    ) -> None:
        self._service, self._connection, self._fault = service, connection, fault
        self._channels = int(settings.get("number-of-channels", "1"))
        ids = [None] if self._channels == 1 else ["ch_0", "ch_1"]
        self._heard = [
            _Channel(channel_id, settings, service.ear(number))
            for number, channel_id in enumerate(ids)
        ]
        self._held: list[dict[str, Any]] = []
        self._loop = asyncio.get_running_loop()
        self._ended_by: asyncio.Future[bytes] = self._loop.create_future()

    def end_by(self, refused: Refused) -> None:
        """End the session by an exception."""
        if not self._ended_by.done():
            self._ended_by.set_exception(refused)

    def cut(self) -> None:
        """Drop the connection; from any thread."""
        self._loop.call_soon_threadsafe(self._connection.transport.abort)

    async def run(self) -> None:
        """Serve the session to its end. Raises Refused, _Faulted or ConnectionClosed."""
        service = self._service
        await self._go_wrong_if(at="start")
        try:
            async with asyncio.timeout(service.longest_s):
                while audio := await self._audio():
                    await self._hear(audio)
        except TimeoutError:
            raise Refused("LimitExceededException", "The stream is too long.") from None
        await self._go_wrong_if(at="end")
        for channel in self._heard:
            await self._send(channel.results(channel.ear.end()), at_once=True)
        await self._connection.close()

    async def _audio(self) -> bytes:
        """The audio of the next frame. Raises Refused."""
        receiving = asyncio.ensure_future(self._connection.recv())
        waiting: set[asyncio.Future[Any]] = {receiving, self._ended_by}
        try:
            done, _ = await asyncio.wait(
                waiting, timeout=self._service.idle_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            receiving.cancel()
        if not done:
            message = "Your request timed out because no new audio was received for 15 seconds."
            raise bad_request(message)
        if self._ended_by in done:
            self._ended_by.result()
        data = receiving.result()
        if isinstance(data, str):
            raise bad_request("the message is no binary frame")
        headers, audio = decode_frame(data)
        if headers != AUDIO_HEADERS:
            raise bad_request("headers")
        if len(audio) % (2 * self._channels):
            raise bad_request("the frame has no whole samples of all channels")
        if len(audio) > 2 * self._channels * _RATE:
            raise bad_request("the frame has more than a second")
        self._service.frames.append(len(audio))
        return audio

    async def _hear(self, audio: bytes) -> None:
        tracks = [audio]
        if self._channels == 2:
            tracks = [audioop.tomono(audio, 2, 1, 0), audioop.tomono(audio, 2, 0, 1)]
        for channel, track in zip(self._heard, tracks, strict=True):
            await self._send(channel.results(channel.ear.hear(track)))
        await self._go_wrong_if(at=sum(channel.ear.words_heard for channel in self._heard))

    async def _send(self, results: Sequence[dict[str, Any]], *, at_once: bool = False) -> None:
        self._held += results
        finals = sum(not result["IsPartial"] for result in self._held)
        if any(not result["IsPartial"] for result in results) and self._service.final_delay_s:
            await asyncio.sleep(self._service.final_delay_s)
        if self._service.results_an_event == 1:
            for result in self._held:
                await self._connection.send(transcript_event([result]))
        elif at_once or finals >= self._service.results_an_event:
            await self._connection.send(transcript_event(self._held))
        else:
            return
        self._held = []

    async def _go_wrong_if(self, at: int | Literal["start", "end"]) -> None:
        fault = self._fault
        if fault is None:
            return
        has_come = isinstance(at, int) and isinstance(fault.when, int) and at >= fault.when
        if not has_come and at != fault.when:
            return
        await self._go_wrong(fault)
        raise _Faulted

    async def _go_wrong(self, fault: Fault) -> None:
        match fault.kind:
            case "cut":
                self._connection.transport.abort()
            case "close":
                await self._connection.close()
            case "exception":
                await self._connection.send(exception_frame(fault.exception, fault.message))
                await self._connection.close()
            case "stall":
                self._connection.transport.pause_reading()
                await self._connection.wait_closed()
            case "deaf":
                async for _ in self._connection:
                    pass


def main(arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    stand_in = StandIn(port=parser.parse_args(arguments).port)
    with stand_in.running():
        print(stand_in.url, flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
