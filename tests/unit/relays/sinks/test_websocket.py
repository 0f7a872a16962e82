"""The WebSocket sink: what a consumer gets, and what becomes of what it sends."""

import asyncio
import json
import threading
from base64 import b64decode
from types import SimpleNamespace
from typing import Any, override
from uuid import UUID

import pytest

from callstream.audio.formats import AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import Clear, Dtmf, Media, ReturnMark, ReturnMedia, Start
from callstream.relays.endings import Ending, Outcome
from callstream.relays.sinks.fork import ForkCounters, ForkProtocol
from callstream.relays.sinks.sink import CallFeed
from callstream.relays.sinks.websocket import RelayForks
from callstream.tenants.directory import Tenant
from tests.relays import make_relay
from tests.unit.items import started_stream
from tests.unit.relays.scenes import (
    Scene,
    first_messages,
    media,
    play,
    record,
    until,
)


def test_a_slow_consumer_loses_the_oldest_audio_and_nothing_else() -> None:
    async def act() -> None:
        scene = Scene(limit=5)
        running = scene.run()
        await until(lambda: len(scene.consumer.received) == 2)
        scene.consumer.open.clear()
        scene.bring(*(media(number) for number in range(100, 120)))
        await scene.settle()
        scene.consumer.open.set()
        scene.stop()
        await running

        frames = scene.consumer.frames()
        assert frames[-5:] == [16, 17, 18, 19, 20]
        [_, (_, reason, dropped)] = scene.lease.reported
        assert reason is None
        assert dropped == 20 - len(frames) > 0
        assert scene.consumer.received[-1]["event"] == "stop"

    play(act)


def test_a_consumers_audio_goes_back_and_its_errors_are_answered() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        answer = b"\x01" * 160
        for text in (
            DIALECTS["telnyx"].render_return(ReturnMedia(answer), ""),
            '{"event": "media", "media": {"payload": "*"}}',
            '{"event": "noise"}',
        ):
            scene.consumer.sends.put_nowait(text)
        await until(lambda: len(scene.consumer.received) == 4 and scene.legs.posted)
        scene.stop()
        await running

        assert scene.legs.posted == [ReturnMedia(answer)]
        codes = [each["payload"]["code"] for each in scene.consumer.received[2:4]]
        assert codes == [100004, 100003]

    play(act)


def test_a_one_way_stream_ignores_its_consumers_messages(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene(one_way=True)
        running = scene.run()
        telnyx = DIALECTS["telnyx"]
        for text in (
            telnyx.render_return(ReturnMedia(b"\x01" * 160), ""),
            telnyx.render_return(ReturnMark("mark"), ""),
            telnyx.render_return(Clear(), ""),
            '{"event": "noise"}',
        ):
            scene.consumer.sends.put_nowait(text)
        await until(scene.consumer.sends.empty)
        scene.bring(media(100), record(Dtmf(101, "inbound", "5"), "s1"), media(102))
        await scene.settle()
        scene.stop()
        await running

        assert scene.consumer.events() == ["connected", "start", "media", "media", "stop"]
        assert [each.get("sequence_number") for each in scene.consumer.received] == [
            None,
            *map(str, range(1, 5)),
        ]
        assert not scene.legs.posted

    play(act)
    assert caplog.messages.count("the stream is one-way: messages are ignored") == 1


def test_a_one_way_stream_learns_the_format_of_a_stream_that_begins_later() -> None:
    async def act() -> None:
        scene = Scene(one_way=True)
        running = scene.run()
        pcma = AudioFormat("PCMA", 8000, 1)
        scene.bring(record(Start(1, "MZ1", "CA1", "AC", ("inbound",), pcma)), media(2, b"\xd5"))
        await scene.settle()
        scene.stop()
        await running

        # The fork is PCMU.
        assert scene.consumer.received[2]["media"]["payload"] == "/g=="

    play(act)


def test_audio_that_a_consumer_sends_before_it_closes_is_posted() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.consumer.sends.put_nowait(
            DIALECTS["telnyx"].render_return(ReturnMedia(b"\x01" * 16_000), "")
        )
        scene.consumer.sends.put_nowait(None)

        assert await running == Outcome(Ending.CONSUMER)
        assert scene.legs.audio == b"\x01" * 16_000

    play(act)


def test_a_consumer_that_sends_and_does_not_read_gets_bounded_answers() -> None:
    async def act() -> None:
        scene = Scene(limit=5)
        running = scene.run()
        await until(lambda: len(scene.consumer.received) == 2)
        scene.consumer.open.clear()
        for number in range(100):
            for event in (ReturnMark(str(number)), Clear()):
                scene.consumer.sends.put_nowait(DIALECTS["telnyx"].render_return(event, ""))
            scene.consumer.sends.put_nowait("{")
        await until(scene.consumer.sends.empty)
        scene.consumer.open.set()
        scene.stop()
        await running

        # What waits, one more, what was on its way, and the end.
        assert len(scene.consumer.received) <= 2 + 5 + 1 + 1 + 1

    play(act)


def test_records_that_come_at_once_are_not_dropped_if_the_consumer_takes_them() -> None:
    async def act() -> None:
        scene = Scene(limit=50)
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        for first in range(103, 1103, 20):
            scene.bring(*(media(number) for number in range(first, first + 20)))
        await scene.feed.drained()
        scene.stop()
        await running

        assert scene.consumer.frames() == list(range(1, 1004))
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


def test_the_fork_is_made_in_another_thread() -> None:
    async def act() -> None:
        scene = Scene()
        scene.consumer.sends.put_nowait(None)
        await scene.run()

        assert scene.made_by is not None
        assert scene.made_by is not threading.current_thread()

    play(act)


def test_an_even_fork_gets_silence_while_nothing_comes() -> None:
    async def act() -> None:
        scene = Scene()
        scene.is_even = True
        running = scene.run()
        scene.bring(*(media(number, b"\1" * 160) for number in (100, 101, 102)))
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 3)

        def has_silence() -> bool:
            scene.now += 0.02
            return len(scene.consumer.frames()) > 3

        await until(has_silence)
        scene.stop()
        await running

        silence = scene.consumer.received[5]["media"]
        assert (silence["chunk"], silence["timestamp"]) == ("4", "2060")
        assert b64decode(silence["payload"]) == b"\xff" * 160

    play(act)


def make_fork(counters: ForkCounters | None = None, **wishes: Any) -> ForkProtocol:
    here: Any = SimpleNamespace(
        call=lambda *_: None, tenant=lambda _: None, parameters=lambda *_: {}
    )
    forks = RelayForks(make_relay(parameters={"token": "s3cret"}, **wishes), here, here)
    return forks.make([started_stream("s1")], counters)


def test_a_forks_start_has_the_tenants_account_in_the_vendors_form() -> None:
    tenant = Tenant(tenant_id="acme", name="Acme", project_id=UUID(int=7), callback_key_id="k")
    here: Any = SimpleNamespace(
        call=lambda *_: None, tenant=lambda _: tenant, parameters=lambda *_: {}
    )
    relay = make_relay("MZ1", surface="twilio")
    fork = RelayForks(relay, here, here).make([started_stream("s1")], None)

    [_, start] = map(json.loads, fork.open())

    assert start["start"]["accountSid"] == f"AC{7:032x}"
    assert start["start"]["streamSid"] == start["streamSid"] == "MZ1"


def test_a_forks_start_names_the_format_that_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    fork = make_fork(codec="L16")
    [_, start] = map(json.loads, fork.open())
    [frame] = map(json.loads, fork.take("s1", Media(1, "inbound", 1, 0, b"\x00"), 0))

    assert start["start"]["media_format"] == {
        "encoding": "L16",
        "sample_rate": 8000,
        "channels": 1,
    }
    # In network byte order.
    assert b64decode(frame["media"]["payload"]) == (-32124).to_bytes(2, "big", signed=True)
    assert fork.return_format == AudioFormat("L16", 8000, 1)
    assert not caplog.messages


def test_a_fork_at_the_audio_rate_of_its_codec_is_as_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_fork(codec="G722", sample_rate=16_000)
    make_fork(codec="G722", sample_rate=8000)

    assert not caplog.messages


def test_silence_fills_a_fork_that_asks_for_it() -> None:
    assert make_fork(fill_silence=True).is_even
    assert not make_fork().is_even


def test_a_fork_that_cannot_have_its_codec_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    first = make_fork(codec="AMR-WB")
    make_fork(first.counters, codec="AMR-WB")

    assert caplog.messages == [
        "the fork is not as asked: PCMU at 8000 Hz, of a call in PCMU at 8000 Hz"
    ]


class NoMarks(CallFeed):
    is_reading = False

    @override
    async def subscribe_marks(self, stream_id: str) -> None:
        raise NotImplementedError


def test_nothing_is_posted_to_the_carrier_after_finish() -> None:
    async def act() -> None:
        scene = Scene()
        scene.legs.takes.clear()
        sink = scene.sink()
        await sink.connect()
        await sink.open(scene.source.streams, None, NoMarks())
        running = asyncio.create_task(sink.run())
        scene.consumer.sends.put_nowait(
            DIALECTS["telnyx"].render_return(ReturnMedia(b"\x01" * 16_000), "")
        )
        await scene.legs.asked.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await sink.finish(is_final=True)
        scene.legs.takes.set()
        for _ in range(10):
            await asyncio.sleep(0)
        await sink.close()

        assert scene.legs.posted == []
        assert scene.consumer.events()[-1] == "stop"

    play(act)
