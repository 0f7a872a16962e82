"""Forks of a live call, on the deployed stack: commands in, audio out at the consumers."""

import asyncio
import math
from contextlib import AsyncExitStack
from typing import Any

import pytest

from callstream_cli.listener.behaviour import DROPPED, Behaviour
from callstream_cli.listener.server import Listener
from callstream_cli.local.process import free_port
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.faults import kill_workers, names_of
from tests.stack.live import (
    FRAME,
    LiveCall,
    heard,
    play,
    relays,
    signalwire,
    telnyx,
)


def test_stalled_and_dead_consumers_do_not_disturb_a_third(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-forked")
        async with (
            Listener() as good,
            Listener(tls=True) as secure,
            Listener(Behaviour(stall=math.inf)) as stalled,
        ):
            async with call.going_on():
                await call.frames(20)
                for url in (good.url, stalled.url):
                    await asyncio.to_thread(
                        telnyx, stack, call.id, "streaming_start", stream_url=url
                    )
                fields = {"Url": secure.url, "Track": "inbound_track", "Name": "main"}
                await asyncio.to_thread(signalwire, stack, call.id, **fields)
                one, two, other = await good.fork(0), await secure.fork(0), await stalled.fork(0)
                await heard(one, 50)
                await heard(two, 50)
                # One dies; the others do not notice.
                await two.close(DROPPED)
                await heard(one, 100)
                other.resume()
                await heard(other, 20)
            await one.until_ended()
            await other.until_ended()

        assert [fork.state.dialect for fork in (one, two)] == ["telnyx", "signalwire"]
        for fork in (one, two):
            assert fork.state.audio("inbound") in call.audio
            assert fork.state.faults == {}
        # To the last frame.
        assert call.audio.endswith(one.state.audio("inbound"))
        assert one.state.stop is not None

        def over() -> bool:
            states = {url: item["state"] for url, item in relays(stack, call.id).items()}
            return states == {good.url: "stopped", secure.url: "failed", stalled.url: "stopped"}

        await asyncio.to_thread(eventually, over)

    play(act)


def test_command_stops_a_fork_and_the_call_goes_on(stack: DeployedStack) -> None:
    async def act() -> None:
        call = LiveCall(stack, "CA-stopped")
        async with Listener() as listener, call.going_on():
            await asyncio.to_thread(
                telnyx, stack, call.id, "streaming_start", stream_url=listener.url
            )
            fork = await listener.fork(0)
            await heard(fork, 25)
            await asyncio.to_thread(telnyx, stack, call.id, "streaming_stop")
            await fork.until_ended()

            assert fork.state.stop is not None
            assert fork.state.audio("inbound") in call.audio
            [relay] = relays(stack, call.id).values()
            assert relay["state"] == "stopped"
            await call.frames(10)

    play(act)


@pytest.mark.parametrize(
    ("behaviour", "reason"), [(Behaviour(refuse=403), "handshake"), (None, "refused")]
)
def test_unreachable_consumer_fails_the_relay(
    stack: DeployedStack, behaviour: Behaviour | None, reason: str
) -> None:
    async def act() -> None:
        call = LiveCall(stack, f"CA-{reason}")
        async with Listener(behaviour or Behaviour()) as listener, call.going_on():
            url = listener.url if behaviour else f"ws://127.0.0.1:{free_port()}/"
            await asyncio.to_thread(telnyx, stack, call.id, "streaming_start", stream_url=url)

            def failed() -> dict[str, Any] | None:
                relay = relays(stack, call.id)[url]
                return relay if relay["state"] == "failed" else None

            relay = await asyncio.to_thread(eventually, failed)
            assert relay["error"] == reason

    play(act)


def test_consumer_misses_nothing_when_a_relay_hands_over(stack: DeployedStack) -> None:
    async def act() -> None:
        [function] = names_of(stack, "RelayFunction")
        client = stack.client("lambda")
        # A run calls its successor a minute before its end.
        client.update_function_configuration(FunctionName=function, Timeout=64)
        call = LiveCall(stack, "CA-handed-over")
        try:
            async with Listener() as listener, call.going_on():
                await asyncio.to_thread(
                    telnyx, stack, call.id, "streaming_start", stream_url=listener.url
                )
                first = await listener.fork(0)
                await first.until_ended()
                second = await listener.fork(1)
                await heard(second, 25)
                await asyncio.to_thread(telnyx, stack, call.id, "streaming_stop")
                await second.until_ended()
        finally:
            client.update_function_configuration(FunctionName=function, Timeout=900)

        assert first.state.stop is None
        assert second.state.stop is not None
        assert first.state.audio("inbound") + second.state.audio("inbound") in call.audio

    play(act)


def test_killed_functions_lose_no_record_of_kinesis(stack: DeployedStack) -> None:
    async def act() -> None:
        [fan_out, relay] = names_of(stack, "FanOutFunction", "RelayFunction")
        call = LiveCall(stack, "CA-killed")
        async with Listener() as listener, call.going_on():
            await asyncio.to_thread(
                telnyx, stack, call.id, "streaming_start", stream_url=listener.url
            )
            first = await listener.fork(0)
            await heard(first, 50)
            assert await asyncio.to_thread(kill_workers, stack, fan_out)
            await heard(first, 100)
            assert await asyncio.to_thread(kill_workers, stack, relay)
            second = await listener.fork(1)
            await heard(second, 100)
            await asyncio.to_thread(telnyx, stack, call.id, "streaming_stop")
            await second.until_ended()

        assert first.state.disconnected is not None
        assert second.state.stop is not None
        # What was said after the last checkpoint is said again, and nothing is left out.
        before, after = first.state.audio("inbound"), second.state.audio("inbound")
        joined = call.audio.index(before[:FRAME])
        assert call.audio[joined:].startswith(before)
        again = call.audio.index(after[:FRAME])
        assert again <= joined + len(before)
        assert call.audio[again:].startswith(after)
        [item] = relays(stack, call.id).values()
        assert item["rescues"] == 1

    play(act)


def test_fork_continues_when_the_carrier_connects_again(
    stack: DeployedStack,
) -> None:
    async def act() -> None:
        first, again = LiveCall(stack, "CA-again"), LiveCall(stack, "CA-again")
        async with Listener() as listener, AsyncExitStack() as ends:
            await ends.enter_async_context(first.going_on())
            await asyncio.to_thread(
                telnyx, stack, first.id, "streaming_start", stream_url=listener.url
            )
            fork = await listener.fork(0)
            await heard(fork, 25)
            async with again.going_on():
                await ends.aclose()
                before = len(first.audio)
                await fork.until(lambda state: again.audio[-FRAME:] in state.audio("inbound"))
            await fork.until_ended()

        audio = fork.state.audio("inbound")
        joined = first.audio.index(audio[:FRAME])
        rest = audio[before - joined :]
        assert first.audio[joined:] + rest == audio
        # While the first one spoke, the other was not heard; after that, all of it was.
        assert again.audio.endswith(rest)
        assert len(again.audio) - len(rest) < 50 * FRAME

    play(act)
