"""The engine of Amazon Transcribe, with its stand-in on a loopback socket. Needs no stack."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from itertools import batched
from typing import Final

import pytest
from botocore.session import get_session
from msgspec.structs import replace as changed
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Origin

from callstream.adapters.aws import transcribe
from callstream.adapters.aws.transcribe import TranscribeEngine, TranscribeSession
from callstream.adapters.aws.transcribe_results import Results
from callstream.adapters.aws.transcribe_wire import audio_frame
from callstream.transcription.engine import EngineFailed, SessionSettings, Utterance
from tests.tones import quiet, speech, stereo
from tests.transcribe_checks import AUDIO_HEADERS, Key, encode_frame
from tests.transcribe_stand_in import Fault, StandIn

MONO: Final = SessionSettings("en-US")
STEREO: Final = SessionSettings("en-US", channels=2)
TWO_LINES: Final = speech("hello one two") + speech("red green blue") + quiet(1000)

type Act = Callable[[TranscribeEngine], Awaitable[None]]


def engine(url: str, token: str | None = None, secret: str = "test") -> TranscribeEngine:  # noqa: S107  # not a real secret
    session = get_session()
    session.set_config_variable("region", "us-east-1")
    session.set_credentials("test", secret, token)
    return TranscribeEngine(session, url)


def run(act: Act, stand_in: StandIn | None = None, **credentials: str) -> StandIn:
    service = stand_in or StandIn()

    async def run_both() -> None:
        async with service:
            await act(engine(service.url, **credentials))

    asyncio.run(run_both())
    return service


async def feed(session: TranscribeSession, audio: bytes, piece: int = 640) -> None:
    for some in batched(audio, piece, strict=False):
        await session.feed(bytes(some))


async def received(session: TranscribeSession) -> list[Utterance]:
    found = []
    while (utterance := await session.receive()) is not None:
        found.append(utterance)
    return found


async def texts(
    engine: TranscribeEngine, audio: bytes, settings: SessionSettings = MONO
) -> list[str]:
    """The text of each utterance of a whole session."""
    session = await engine.open(settings)
    await feed(session, audio)
    await session.finish()
    found = [each.text for each in await received(session)]
    await session.close()
    return found


async def failure(
    engine: TranscribeEngine, audio: bytes = TWO_LINES, settings: SessionSettings = MONO
) -> tuple[str, list[str], int]:
    """How a session fails, with the text of its utterances, and up to where it was settled."""
    session, found = None, list[str]()
    try:
        session = await engine.open(settings)
        await feed(session, audio)
        while (utterance := await session.receive()) is not None:
            found.append(utterance.text)
    except EngineFailed as failed:
        return failed.reason, found, session.settled_ms(0) if session else 0
    finally:
        if session is not None:
            await session.close()
    raise AssertionError("the session has not failed")


async def feed_for_ever(session: TranscribeSession) -> None:
    while True:
        await session.feed(quiet(1000))


def test_session_gives_the_lines_of_both_tracks() -> None:
    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(STEREO)
        audio = stereo(speech("hello one two"), quiet(1500) + speech("red green") + quiet(300))
        await feed(session, audio)
        await session.finish()
        first, second = await received(session)
        assert (first.channel, first.text) == (0, "Hello one two.")
        assert (second.channel, second.text) == (1, "Red green.")
        assert (first.start_ms, second.start_ms) == (0, 1500)
        assert [(each.text, each.start_ms, each.after) for each in second.words] == [
            ("Red", 1500, ""),
            ("green", 1780, "."),
        ]
        assert {each.confidence for each in second.words} == {0.9876}
        assert session.settled_ms(0) == session.settled_ms(1) == len(audio) // 32
        await session.close()

    stand_in = run(act)
    assert not stand_in.refusals
    assert not stand_in.unfinished


def test_session_with_temporary_credentials_marks_what_is_private() -> None:
    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(changed(MONO, smart_formatting=False, vocabulary="ours"))
        await feed(session, speech("card number 4111111111111111"))
        await session.finish()
        [utterance] = await received(session)
        assert utterance.text == "card number 4111111111111111"
        [span] = utterance.private
        assert utterance.text[span.start : span.end] == "4111111111111111"
        await session.close()
        assert await texts(engine, speech("pin 8642"), changed(MONO, language="es-US")) == [
            "Pin 8642."
        ]

    token = "a/b+c/d+e=="
    service = run(act, StandIn(keys={"test": Key("test", token)}), token=token)
    assert not service.refusals
    assert len({each["session-id"] for each in service.sessions}) == 2
    assert service.sessions[0]["vocabulary-name"] == "ours"


@pytest.mark.parametrize("piece", [1, 320, 3000, 16_000])
def test_audio_is_sent_in_pieces_of_a_tenth_of_a_second(piece: int) -> None:
    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        await feed(session, quiet(1050), piece)
        await session.finish()
        assert await received(session) == []
        await session.close()

    assert run(act).frames == [1600] * 10 + [800, 0]


def test_last_words_come_though_finals_are_slow_and_share_an_event() -> None:
    audio = TWO_LINES + speech("goodbye", pause_ms=0)

    async def act(engine: TranscribeEngine) -> None:
        assert await texts(engine, audio) == ["Hello one two.", "Red green blue.", "Goodbye."]

    run(act, StandIn(final_delay_s=0.05))
    run(act, StandIn(results_an_event=2))


def test_silence_is_settled_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcribe, "_LOOK_SECONDS", 0.005)

    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        await feed(session, quiet(2000))
        assert session.settled_ms(0) == 0
        async with asyncio.timeout(60):
            while session.settled_ms(0) < 2000:  # noqa: ASYNC110  # time alone changes it
                await asyncio.sleep(0.01)
        await session.close()

    run(act)


@pytest.mark.parametrize(
    ("fault", "reason", "settled"),
    [
        (Fault("cut", 5), "connection lost", 760),
        (Fault("cut", 2), "connection lost", 0),
        (Fault("close", 5), "connection lost", 760),
        (Fault("exception", 5), "internal failure", 760),
        (Fault("exception", 4, "ServiceUnavailableException"), "unavailable", 760),
        (Fault("exception", 0, "LimitExceededException"), "quota exceeded", 0),
        (Fault("exception", "start", "ConflictException"), "conflict", 0),
        (Fault("cut", "start"), "connection lost", 0),
    ],
    ids=str,
)
def test_session_that_breaks_says_why_and_what_is_settled(
    fault: Fault, reason: str, settled: int
) -> None:
    async def act(engine: TranscribeEngine) -> None:
        lines = ["Hello one two."] if settled else []
        assert await failure(engine) == (reason, lines, settled)
        # The next session gets the words that the first has not given.
        rest = TWO_LINES[settled * 16 :]
        assert await texts(engine, rest) == ["Hello one two.", "Red green blue."][len(lines) :]

    run(act, StandIn(faults=[fault]))


def test_session_that_breaks_before_its_last_words_fails() -> None:
    async def act(engine: TranscribeEngine) -> None:
        with pytest.raises(EngineFailed, match="connection lost"):
            await texts(engine, speech("hello", pause_ms=0))

    run(act, StandIn(faults=[Fault("cut", "end")]))


def test_session_that_takes_no_audio_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcribe, "_UNACKNOWLEDGED_SECONDS", 0.2)
    monkeypatch.setattr(transcribe, "watched", lambda connecting, _seconds: connecting)

    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        with pytest.raises(EngineFailed, match="takes no audio"):
            await feed_for_ever(session)
        with pytest.raises(EngineFailed, match="takes no audio"):
            await session.receive()
        session._connection.transport.abort()
        await session.close()

    run(act, StandIn(faults=[Fault("stall")]))


def test_feed_of_a_session_that_has_failed_says_why() -> None:
    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        await session._connection.wait_closed()
        with pytest.raises(EngineFailed, match="vocabulary refused"):
            await session.feed(quiet(1000))
        await session.finish()
        with pytest.raises(EngineFailed, match="vocabulary refused"):
            await session.receive()
        await session.close()

    message = "The requested vocabulary couldn't be found."
    run(act, StandIn(faults=[Fault("exception", "start", "BadRequestException", message)]))


def test_session_whose_reader_has_a_fault_does_not_end_as_if_all_had_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_results: Results, _payload: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Results, "add", fails)

    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        await feed(session, speech("hello"))
        with pytest.raises(ZeroDivisionError):
            await session.receive()
        await session.close()

    run(act)


def test_receive_of_a_session_that_is_closed_meanwhile_fails() -> None:
    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        receiving = asyncio.create_task(session.receive())
        await asyncio.sleep(0)
        await session.close()
        with pytest.raises(EngineFailed, match="closed"):
            await receiving

    run(act)


@pytest.mark.parametrize("by_http", [False, True])
def test_session_is_refused_with_a_reason(*, by_http: bool) -> None:
    service = StandIn(refuses_by_http=by_http)

    async def act(engine: TranscribeEngine) -> None:
        unknown = changed(MONO, vocabulary="theirs")
        assert (await failure(engine, settings=unknown))[0] == "vocabulary refused"

    async def act_with_a_wrong_secret(engine: TranscribeEngine) -> None:
        assert (await failure(engine))[0] == "signature refused"

    async def act_with_a_wrong_token(engine: TranscribeEngine) -> None:
        assert (await failure(engine))[0] == "credentials refused"

    run(act, service)
    run(act_with_a_wrong_secret, service, secret="other")
    run(act_with_a_wrong_token, service, token="other")
    assert len(service.refusals) == 3


def test_limits_of_the_service_end_sessions() -> None:
    async def quota(engine: TranscribeEngine) -> None:
        first = await engine.open(MONO)
        await feed(first, quiet(1000))
        second = await engine.open(MONO)
        with pytest.raises(EngineFailed, match="quota exceeded"):
            await second.receive()
        await first.finish()
        assert await first.receive() is None
        await first.close()
        await second.close()

    async def silence(engine: TranscribeEngine) -> None:
        assert (await failure(engine))[0] == "no audio for too long"

    async def length(engine: TranscribeEngine) -> None:
        assert (await failure(engine, quiet(100)))[0] == "quota exceeded"

    run(quota, StandIn(most_streams=1))
    run(silence, StandIn(idle_s=0.1))
    run(length, StandIn(longest_s=0.1))


def test_service_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcribe, "_OPEN_SECONDS", 0.1)

    def redirects(connection: ServerConnection, _request: Request) -> Response:
        answer = connection.respond(HTTPStatus.FOUND, "")
        answer.headers["Location"] = "/elsewhere"
        return answer

    async def act() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            assert (await failure(engine(f"ws://127.0.0.1:{port}")))[0] == "no answer in time"
        assert (await failure(engine(f"ws://127.0.0.1:{port}")))[0] == "not reached"
        async with serve(
            ServerConnection.wait_closed, "127.0.0.1", 0, process_request=redirects
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            reason, *_ = await failure(engine(f"ws://127.0.0.1:{port}"))
            assert reason == "handshake refused: 302"

    asyncio.run(act())


def test_logs_have_neither_the_signed_url_nor_what_was_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The stand-in logs what it receives, and botocore what it signs, for every service.
    caplog.set_level(logging.WARNING, "websockets.server")
    caplog.set_level(logging.WARNING, "botocore")
    caplog.set_level(logging.DEBUG)  # last, because it also sets the level of the handler

    async def act(engine: TranscribeEngine) -> None:
        assert await texts(engine, TWO_LINES)
        await failure(engine)
        await failure(engine, settings=changed(MONO, vocabulary="theirs"))

    run(act, StandIn(faults=[None, Fault("exception", 5, message="red green")]))
    assert "X-Amz" not in caplog.text
    assert "green" not in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        "text",
        b"",
        audio_frame(quiet(100))[:-1],
        audio_frame(quiet(100)) + b"\0",
        audio_frame(quiet(100))[:-1] + b"\0",
        b"\1" + audio_frame(quiet(100))[1:],
        audio_frame(quiet(1001)),
        audio_frame(b"\0"),
        encode_frame(AUDIO_HEADERS | {":event-type": "TranscriptEvent"}, quiet(100)),
        encode_frame({":message-type": "event"}, quiet(100)),
    ],
)
def test_stand_in_refuses_what_is_no_frame_of_audio(message: str | bytes) -> None:
    service = StandIn()

    async def act(engine: TranscribeEngine) -> None:
        session = await engine.open(MONO)
        assert session._connection.request is not None
        url = service.url + session._connection.request.path
        await session.close()
        async with connect(url, origin=Origin("http://a")) as raw:
            await raw.send(audio_frame(quiet(1000)))
            await raw.send(message)
            assert b"BadRequestException" in await raw.recv(decode=False)
            await raw.wait_closed()

    run(act, service)
    assert service.frames == [16_000]
