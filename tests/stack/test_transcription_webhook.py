"""ASAPP's transcription end to end: calls of every carrier, from the command to the webhook."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from email.message import Message
from random import Random
from typing import Any, Final
from uuid import uuid4

import audioop
import pytest
from websockets.asyncio.client import ClientConnection, connect

from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.audio.formats import PCMU_8K
from callstream.dialects import DIALECTS
from callstream.dialects.events import CarrierEvent, Media, Start, Stop, Track
from callstream.frames.records import Halted, Record, Transcript
from callstream_cli.carrier.identity import CarrierName, made_up
from callstream_cli.gateway import media_url
from tests.speech_samples import CARD, Sample, sentences, synthesise
from tests.stack.conftest import PATIENCE, DeployedStack, eventually
from tests.stack.tenant_server import TenantServer
from tests.stack.test_operator import type_in
from tests.word_error_rate import word_error_rate

# Longer than a carrier's, so that two cores can play six tracks.
_FRAME: Final = 800
_FRAME_MS: Final = 100
_QUIET: Final = b"\xff" * _FRAME
# So much silence ends an utterance.
_PAUSE: Final = _QUIET * 12
_SECRET: Final = "the-secret-of-the-webhook"
_TRACKS: Final[tuple[Track, ...]] = ("inbound", "outbound")
_SIDES: Final = {"inbound": "customer", "outbound": "agent"}


class Webhook(TenantServer):
    """A tenant's webhook. It refuses every fifth request for the time being."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.requests = 0
        super().__init__(self._take)

    def of(self, call_id: str, side: str) -> list[dict[str, Any]]:
        """What came of one side of a call, in order."""
        return [
            body
            for body in self.bodies
            if body["externalConversationId"] == call_id and body["sender"]["role"] == side
        ]

    def _take(self, _path: str, headers: Message, body: bytes) -> int:
        if headers["x-hook-secret"] != _SECRET:
            return 401
        self.requests += 1
        if self.requests % 5 == 0:
            return 503
        self.bodies.append(json.loads(body))
        return 200


class SpokenCall:
    """A carrier's call with both tracks, on which sentences are spoken; silence otherwise."""

    def __init__(self, carrier: CarrierName, seed: int) -> None:
        self.identity = made_up(carrier, Random(seed + uuid4().int))  # noqa: S311
        self.said: defaultdict[Track, list[str]] = defaultdict(list)
        self._dialect = DIALECTS[carrier]
        self._frames: dict[Track, deque[bytes]] = {track: deque() for track in _TRACKS}
        self._spoken = asyncio.Event()
        self._sequence = 0
        self._chunk = 0
        self._socket: ClientConnection

    @property
    def id(self) -> str:
        return self.identity.call_id

    @asynccontextmanager
    async def going_on(self, url: str) -> Any:
        """The call, whose audio comes in real time, until it hangs up."""
        async with connect(url, proxy=None, compression=None, ping_interval=None) as self._socket:
            ids = self.identity
            await self._send(
                Start(
                    self._number(),
                    ids.stream_id,
                    ids.call_id,
                    ids.account_id,
                    _TRACKS,
                    PCMU_8K,
                    {},
                    session_id=ids.session_id,
                )
            )
            talking = asyncio.create_task(self._talk())
            try:
                yield self
            finally:
                talking.cancel()
                with suppress(asyncio.CancelledError):
                    await talking
            await self._send(Stop(self._number(), ids.call_id, ids.account_id))

    async def speak(self, samples: Sequence[Sample], *, remember: bool = True) -> None:
        """Speak sentences on both tracks at the same time, each with a pause behind it."""
        for at, sample in enumerate(samples):
            track = _TRACKS[at % 2]
            if remember:
                self.said[track].append(sample.text)
            audio = audioop.lin2ulaw(synthesise(*sample), 2) + _PAUSE
            frames = [audio[at : at + _FRAME] for at in range(0, len(audio), _FRAME)]
            self._frames[track] += [frame.ljust(_FRAME, b"\xff") for frame in frames]
        self._spoken.clear()
        await self._spoken.wait()

    async def _talk(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            await asyncio.sleep(began + self._chunk * _FRAME_MS / 1000 - clock())
            for track, frames in self._frames.items():
                frame = frames.popleft() if frames else _QUIET
                at = self._chunk * _FRAME_MS
                await self._send(Media(self._number(), track, self._chunk + 1, at, frame))
            self._chunk += 1
            if not any(self._frames.values()):
                self._spoken.set()

    def _number(self) -> int:
        self._sequence += 1
        return self._sequence

    async def _send(self, event: CarrierEvent) -> None:
        await self._socket.send(self._dialect.render(event, self.identity.stream_id))


class Scene:
    """The demo tenant with its webhook, and the commands that it sends."""

    def __init__(self, stack: DeployedStack) -> None:
        self.stack, self.webhook = stack, Webhook()
        options = ("--secret-header", "X-Hook-Secret", "--secret", "-")
        done = type_in(
            stack,
            *("webhooks", "set", "demo", "asapp", f"{self.webhook.origin}/hook", *options),
            given=f"{_SECRET}\n",
        )
        assert done.returncode == 0, done.stderr
        assert _SECRET not in done.stdout + done.stderr
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.spoken: list[SpokenCall] = []

    async def start(self, call: SpokenCall, **fields: Any) -> dict[str, Any]:
        ids = {"customerId": f"cust-{call.identity.carrier}", "agentId": "agent-7"}
        return await self._command("start-streaming", call, **ids, **fields)

    async def stop(self, call: SpokenCall, *, again: bool = False) -> dict[str, Any]:
        answer = await self._command("stop-streaming", call)
        if not again:
            self.answers.append((call.id, answer))
        return answer

    async def _command(self, name: str, call: SpokenCall, **fields: Any) -> dict[str, Any]:
        body = {"namespace": "twilio", "guid": call.id, **fields}
        headers = self.stack.credentials() | {"Content-Type": "application/json"}
        answer = await asyncio.to_thread(
            self.stack.request,
            *("asapp", "POST", f"/mg-autotranscribe/v1/{name}", headers),
            json.dumps(body).encode(),
        )
        assert answer.status == 200, answer.body
        assert answer.body["isOk"] is True, answer.body
        result: dict[str, Any] = answer.body["autotranscribeResponse"]
        return result

    async def url(self) -> str:
        return await asyncio.to_thread(media_url, self.stack.description, "autotranscribe")

    async def known(self, call: SpokenCall) -> None:
        """Wait until the gateway knows the call."""
        key = {"pk": f"CALL#demo#{call.id}", "sk": "CALL"}
        table = self.stack.table("streams")
        await asyncio.to_thread(eventually, lambda: "Item" in table.get_item(Key=key))

    async def heard(self, call: SpokenCall, count: int) -> None:
        """Wait until the webhook has so many lines of each side: a loaded machine is late."""
        sides = _SIDES.values()
        await asyncio.to_thread(
            eventually,
            lambda: all(len(self.webhook.of(call.id, side)) >= count for side in sides),
        )

    async def over(self, call: SpokenCall) -> None:
        """Wait until nothing transcribes the call any more."""

        def ended() -> bool:
            found = self.stack.table("streams").query(
                KeyConditionExpression="pk = :pk AND begins_with(sk, :relay)",
                ExpressionAttributeValues={":pk": f"CALL#demo#{call.id}", ":relay": "RELAY#"},
            )
            return all("summary" in relay for relay in found["Items"])

        await asyncio.to_thread(eventually, ended)


@pytest.fixture
def scene(stack: DeployedStack) -> Iterator[Scene]:
    scene = Scene(stack)
    yield scene
    type_in(stack, "webhooks", "clear", "demo", "asapp")
    scene.webhook.stop()


async def paused(scene: Scene, call: SpokenCall, samples: Sequence[Sample]) -> None:
    """A call that is transcribed after its media has begun, with a pause for a card number."""
    async with call.going_on(await scene.url()):
        await scene.known(call)
        started = await scene.start(call)
        assert await scene.start(call) == started
        await call.speak(samples[:2])
        await scene.heard(call, 1)
        stopped = await scene.stop(call)
        await call.speak([CARD, CARD], remember=False)
        assert await scene.stop(call, again=True) == stopped
        assert await scene.start(call) == started
        await call.speak(samples[2:])
        await scene.heard(call, 2)
        await scene.stop(call)


async def awaited(scene: Scene, call: SpokenCall, samples: Sequence[Sample]) -> None:
    """A call whose transcription waits for its media, and ends with the call."""
    await scene.start(call)
    async with call.going_on(await scene.url()):
        await call.speak(samples)
    await scene.over(call)
    await scene.stop(call)


async def all_calls(scene: Scene) -> None:
    samples = sentences()
    calls: list[CarrierName] = ["twilio", "telnyx", "signalwire"]
    scene.spoken = [SpokenCall(carrier, at) for at, carrier in enumerate(calls)]
    async with asyncio.timeout(3 * PATIENCE):
        await asyncio.gather(
            paused(scene, scene.spoken[0], samples[:4]),
            awaited(scene, scene.spoken[1], samples[4:12]),
            awaited(scene, scene.spoken[2], samples[12:]),
        )


def test_calls_of_every_carrier_are_transcribed_to_a_webhook(
    stack: DeployedStack, scene: Scene
) -> None:
    reader = stack.reader("LATEST")
    reader.poll()
    asyncio.run(all_calls(scene))
    promised: defaultdict[tuple[str, str], int] = defaultdict(int)
    for call_id, answer in scene.answers:
        for side, result in answer.items():
            summary = result["summary"]
            promised[call_id, side] += summary["transcripts"]
            assert summary["totalAudioBytes"] == 16 * summary["audioDurationMs"] > 0
    eventually(lambda: all(len(scene.webhook.of(*of)) == count for of, count in promised.items()))

    pairs = []
    for call in scene.spoken:
        for track, said in call.said.items():
            bodies = scene.webhook.of(call.id, _SIDES[track])
            lines = [body["autotranscribeResponse"] for body in bodies]
            assert [line["message"] for line in lines] == ["transcript"] * len(lines)
            starts = [line["start"] for line in lines]
            assert starts == sorted(set(starts))
            assert all(line["start"] < line["end"] for line in lines)
            ids = {
                answer[_SIDES[track]]["streamId"] for of, answer in scene.answers if of == call.id
            }
            assert ids == {body["streamId"] for body in bodies}
            external = f"cust-{call.identity.carrier}" if track == "inbound" else "agent-7"
            assert {body["sender"]["externalId"] for body in bodies} == {external}
            understood = " ".join(line["utterance"][0]["text"] for line in lines)
            pairs.append((" ".join(said), understood))
    assert word_error_rate(pairs) < 0.08, pairs

    assert_nothing_of_the_pause_is_known(stack, scene, reader)


def assert_nothing_of_the_pause_is_known(
    stack: DeployedStack, scene: Scene, reader: FrameStreamReader
) -> None:
    call_id = scene.spoken[0].id
    items = stack.table("streams").query(
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": f"CALL#demo#{call_id}"},
    )["Items"]
    relay_ids = {item["relay_id"] for item in items if item["sk"].startswith("RELAY#")}
    assert len(relay_ids) == 2
    records = [arrival.record for arrival in reader.poll()]
    events = [record.event for record in records if isinstance(record, Record)]
    assert any(isinstance(event, Halted) for event in events)
    known = [
        *(json.dumps(body) for body in scene.webhook.bodies if call_id in json.dumps(body)),
        *map(str, items),
        *(
            event.text
            for event in events
            if isinstance(event, Transcript) and event.relay_id in relay_ids
        ),
    ]
    logs = (stack.state_dir / "logs" / "functions.jsonl").read_text()
    for body in scene.webhook.bodies:
        assert body["autotranscribeResponse"]["utterance"][0]["text"] not in logs
    assert _SECRET not in logs
    assert "card" not in logs
    # No sentence of this call has the word.
    assert not [text for text in known if "card" in text.lower()]
