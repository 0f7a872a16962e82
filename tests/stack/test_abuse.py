"""One tenant attacks, with its carrier and its servers; another tenant's call goes on."""

import asyncio
import math
import re
from dataclasses import dataclass
from statistics import median

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.dialects.events import Media, Track
from callstream_cli.gateway import media_url
from callstream_cli.listener.behaviour import Behaviour
from callstream_cli.listener.fork import Fork
from callstream_cli.listener.server import Listener
from tests.stack.abuse import Abuser
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.live import signalwire
from tests.stack.test_callbacks import FormServer
from tests.stack.test_operator import type_in
from tests.stack.test_transcription import (
    TRACKS,
    TonesCall,
    command,
    lines,
    text,
    transcribed_by,
)
from tests.transcribe_checks import Key
from tests.transcribe_stand_in import StandIn

OUTCOMES = {
    "unreadable messages": None,
    "huge messages to a stalled consumer": None,
    "hostile text": None,
    "forged tokens": "refused",
    "a stolen token once more": "refused",
    "streams beyond the limit": "refused",
    "requests beyond the limit": 429,
    "relays beyond the limit": 429,
    "the call's relay after the hundredth": 422,
    "large parameters": 413,
    "a hostile token for consumers": 422,
    "another tenant's call": 422,
    "a wrong key": 401,
    "callbacks to a slow server": None,
}
"""The only outcome of each attack: the status of the answer; None if nothing is answered."""
MOST_DELAY = 10
"""Frames take at most so many times as long as those of a call that nothing disturbs."""
NOT_PLAIN = re.compile(r"[^\n\x20-\x7e]")


@dataclass(frozen=True)
class Played:
    """A call of the demo tenant that was forked and transcribed until its end."""

    call: TonesCall
    fork: Fork

    def delay(self, track: Track) -> float:
        """How many seconds frames took from the carrier to the consumer, once it listened."""
        came = [at for at, frame in heard(self.fork) if frame.track == track]
        last = slice(-self.call.frames, None)
        pairs = zip(self.call.sent_at[last], came[last], strict=True)
        return median(there - here for here, there in pairs)


def heard(fork: Fork) -> list[tuple[float, Media]]:
    """The audio that a consumer has received: when, in seconds since 1970, and the frame."""
    return [(each.at, each.event) for each in fork.state.received if isinstance(each.event, Media)]


class Scene:
    """The demo tenant with its consumer and its server for callbacks."""

    def __init__(self, stack: DeployedStack, consumer: Listener, server: FormServer) -> None:
        self.stack, self._consumer, self._server = stack, consumer, server

    async def play(self, call_id: str) -> Played:
        """Play a call; it is forked bit-exactly, told of and transcribed, each to its end."""
        stack, server, call = self.stack, self._server, TonesCall(call_id, sentences=2)
        participants = {"customerId": "c", "agentId": "a"}
        body = {"namespace": "twilio", "guid": call_id, **participants}
        await command(stack, "start-streaming", body)
        forks = len(self._consumer.forks)
        url = media_url(stack.description, "autotranscribe")
        talking = asyncio.create_task(
            call.talk(url, lambda: any(map(heard, self._consumer.forks[forks:])))
        )
        await asyncio.to_thread(eventually, lambda: self._is_known(call_id))
        fields = {"Track": "both_tracks", "StatusCallback": server.url}
        sid = await asyncio.to_thread(
            lambda: signalwire(stack, call_id, Url=self._consumer.url, **fields)
        )
        fork = await self._consumer.fork(forks)
        await talking
        await fork.until_ended()
        told = ["stream-started", "stream-stopped"]
        await asyncio.to_thread(eventually, lambda: server.events(sid) == told)
        await asyncio.to_thread(eventually, lambda: self._is_transcribed(call))

        assert fork.state.faults == {}
        assert fork.state.stop is not None
        for track in TRACKS:
            assert fork.state.audio(track)
            assert call.audio[track].endswith(fork.state.audio(track))
        return Played(call, fork)

    def _is_known(self, call_id: str) -> bool:
        key = {"pk": f"CALL#demo#{call_id}", "sk": "CALL"}
        return "Item" in self.stack.table("streams").get_item(Key=key)

    def _is_transcribed(self, call: TonesCall) -> bool:
        """Whether each word that was said is in the transcript, once."""
        found = lines(self.stack, call.id)
        said = {track: " ".join(sentences).split() for track, sentences in call.said.items()}
        return {track: text(found[track]) for track in TRACKS} == said


def is_on_time(beside: Played, alone: Played) -> bool:
    """Whether frames take about as long beside attacks as alone."""
    return all(beside.delay(track) <= MOST_DELAY * alone.delay(track) for track in TRACKS)


def shown_to_the_operator(stack: DeployedStack) -> str:
    commands = (
        ("calls", "list", "--all"),
        ("tail", "--tenant", "abuser", "--from", "2m", "--no-follow"),
    )
    return "".join(type_in(stack, *each).stdout for each in commands)


def test_call_goes_on_while_another_tenant_attacks(stack: DeployedStack) -> None:
    async def act() -> None:
        async with Listener(tls=True) as consumer, Listener(Behaviour(stall=math.inf)) as stalled:
            scene = Scene(stack, consumer, server)
            alone = await scene.play("CA-alone")
            abuser = await asyncio.to_thread(Abuser, stack, "CA-beside-0", stalled.url)
            async with abuser.at_work():
                before = abuser.rounds()
                # The machine is busy with other things, too: the best of some calls counts.
                beside = await scene.play("CA-beside-0")
                for again in ("CA-beside-1", "CA-beside-2"):
                    if not is_on_time(beside, alone):
                        beside = await scene.play(again)
                shown = await asyncio.to_thread(shown_to_the_operator, stack)
                after = abuser.rounds()

        assert {name: {*seen} for name, seen in abuser.outcomes.items()} == {
            name: {outcome} for name, outcome in OUTCOMES.items()
        }
        # All attacks went on to the end of the call.
        assert all(after[name] > before[name] for name in OUTCOMES)
        assert is_on_time(beside, alone), [each.delay("inbound") for each in (beside, alone)]
        assert "PWNED" in shown
        assert not NOT_PLAIN.search(shown)
        # What the attacks took is given back.
        await asyncio.to_thread(eventually, lambda: abuser.usage() == (0, 0))

    server = FormServer()
    try:
        with (
            StandIn({"000000000000": Key("test")}).running() as stand_in,
            transcribed_by(stack, stand_in, run_seconds=840),
        ):
            asyncio.run(act())
    finally:
        server.stop()
    key = str(stack.description["credentials"]["signalwire"]["signing_key"])
    for form, signature in zip(server.got, server.signatures, strict=True):
        assert RequestValidator(key).validate(server.url, form, signature)
