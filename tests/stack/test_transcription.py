"""The transcription of a call on the deployed stack, by Amazon's stand-in, with all that dies."""

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import audioop
from websockets.asyncio.client import connect

from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.audio.formats import PCMU_8K
from callstream.dialects import twilio
from callstream.dialects.events import Media, Start, Stop, Track
from callstream.frames.records import Record
from callstream_cli.gateway import media_url
from tests.stack.conftest import PATIENCE, DeployedStack, eventually
from tests.stack.faults import kill_workers, names_of
from tests.tones import WORDS, quiet, speech
from tests.transcribe_checks import Key
from tests.transcribe_stand_in import Fault, StandIn

FRAME = 160
QUIET = audioop.lin2ulaw(quiet(20), 2)
TRACKS: tuple[Track, ...] = ("inbound", "outbound")
# Redaction leaves these as they are.
PLAIN = [word for word in WORDS if not word.isdigit() and word not in {"one", "two", "three"}]


@contextmanager
def transcribed_by(stack: DeployedStack, stand_in: StandIn, run_seconds: int = 4) -> Iterator[str]:
    """Let the stack transcribe by a stand-in, in runs of some seconds before the hand-over."""
    client = stack.client("lambda")
    [name] = names_of(stack, "TranscriptionFunction")
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    amazon = {"CALLSTREAM_TRANSCRIBER": "amazon", "CALLSTREAM_TRANSCRIBE_URL": stand_in.url}
    client.update_function_configuration(
        FunctionName=name,
        Environment={"Variables": before | amazon},
        Timeout=60 + run_seconds,
    )
    try:
        yield name
    finally:
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": before}, Timeout=900
        )


class TonesCall:
    """A Twilio call on which both sides speak without an end; sentences of words of `PLAIN`.

    After the words, which end at `spoken_ms`, there are so many milliseconds of silence.

    Attributes:
        said: the sentences of each track.
        audio: the audio of each track, in PCMU.
        frames: how many frames each track has, besides those before somebody listens.
        sent_at: when each 20 ms of both tracks were sent, in seconds since 1970.
    """

    def __init__(self, call_id: str, sentences: int, silence_ms: int = 1000) -> None:
        random = Random(call_id)  # noqa: S311  # it must repeat
        self.id = call_id
        self.said = {
            track: [
                " ".join(random.choices(PLAIN, k=random.randrange(2, 9))) for _ in range(sentences)
            ]
            for track in TRACKS
        }
        spoken = {
            track: quiet(500) + b"".join(map(speech, said)) for track, said in self.said.items()
        }
        self.spoken_ms = max(map(len, spoken.values())) // 16
        self.frames = math.ceil((self.spoken_ms + silence_ms) / 20)
        self.audio = {
            track: audioop.lin2ulaw(audio.ljust(2 * FRAME * self.frames, b"\0"), 2)
            for track, audio in spoken.items()
        }
        self.sent_at: list[float] = []

    async def talk(self, url: str, is_heard: Callable[[], bool] = lambda: True) -> None:
        """Call, be quiet until somebody listens, speak in real time, and hang up."""
        number, at = 1, 0
        # On a busy machine the emulator answers late.
        async with connect(url, proxy=None, compression=None, ping_timeout=PATIENCE) as socket:
            start = Start(number, "MZ1", self.id, "AC", TRACKS, PCMU_8K)
            await socket.send(twilio.render(start, "MZ1"))
            clock = asyncio.get_running_loop().time
            began = clock()
            while at < len(self.audio["inbound"]):
                if not is_heard():
                    self.audio = {track: QUIET + audio for track, audio in self.audio.items()}
                await asyncio.sleep(began + at / 8000 - clock())
                self.sent_at.append(time.time())
                for track, audio in self.audio.items():
                    number += 1
                    media = Media(number, track, at // FRAME + 1, at // 8, audio[at : at + FRAME])
                    await socket.send(twilio.render(media, "MZ1"))
                at += FRAME
            await socket.send(twilio.render(Stop(number + 1, self.id, "AC"), "MZ1"))


def lines(stack: DeployedStack, call_id: str) -> dict[str, list[dict[str, Any]]]:
    """The kept lines of a call, by track."""
    items = stack.table("streams").query(
        KeyConditionExpression="pk = :pk AND begins_with(sk, :line)",
        ExpressionAttributeValues={":pk": f"CALL#demo#{call_id}", ":line": "LINE#"},
    )["Items"]
    found: dict[str, list[dict[str, Any]]] = {track: [] for track in TRACKS}
    for item in items:
        line = json.loads(item["line"])["line"]
        found[line["track"]].append(line)
    return found


def relay_of(stack: DeployedStack, call_id: str) -> dict[str, Any]:
    """The relay of a call."""
    item: dict[str, Any]
    [item] = stack.table("streams").query(
        KeyConditionExpression="pk = :pk AND begins_with(sk, :relay)",
        ExpressionAttributeValues={":pk": f"CALL#demo#{call_id}", ":relay": "RELAY#"},
    )["Items"]
    return item


async def command(stack: DeployedStack, command: str, body: dict[str, str]) -> None:
    """Send a command to ASAPP's API, which is carried out."""
    answer = await asyncio.to_thread(
        stack.request,
        "asapp",
        "POST",
        f"/mg-autotranscribe/v1/{command}",
        stack.credentials() | {"content-type": "application/json"},
        json.dumps(body).encode(),
    )
    assert answer.status == 200, answer
    assert answer.body["isOk"], answer


def text(found: list[dict[str, Any]]) -> list[str]:
    return " ".join(line["text"] for line in found).lower().replace(".", "").split()


def test_no_word_is_lost_or_doubled_by_a_cut_a_hand_over_and_a_killed_function(
    stack: DeployedStack,
) -> None:
    call = TonesCall("CA-transcription", sentences=8)

    async def act(stand_in: StandIn, function: str) -> None:
        participants = {"customerId": "c", "agentId": "a"}
        body = {"namespace": "twilio", "guid": call.id, **participants}
        await command(stack, "start-streaming", body)
        url = media_url(stack.description, "autotranscribe")
        talking = asyncio.create_task(call.talk(url))
        first = await asyncio.to_thread(eventually, lambda: stand_in.open_sessions and owner())
        await asyncio.sleep(1)
        stand_in.cut()
        await asyncio.to_thread(eventually, lambda: owner() != first)
        await asyncio.sleep(1)
        second = owner()
        assert kill_workers(stack, function)
        await asyncio.to_thread(eventually, lambda: owner() != second)
        await talking

    def owner() -> object:
        return relay_of(stack, call.id).get("owner_run_id")

    # The keys of the emulator.
    keys = {"000000000000": Key("test")}
    with StandIn(keys).running() as stand_in, transcribed_by(stack, stand_in) as function:
        asyncio.run(act(stand_in, function))
        relay = eventually(lambda: (it := relay_of(stack, call.id)).get("summary") and it)

    assert_transcribed(stack, call, relay)
    assert not stand_in.refusals


def has_landed(reader: FrameStreamReader, at_ms: int) -> bool:
    """Whether the frames of that time of the call are on the frames stream."""
    records = (each.record for each in reader.poll())
    events = (each.event for each in records if isinstance(each, Record))
    return any(isinstance(each, Media) and each.timestamp > at_ms for each in events)


def assert_transcribed(stack: DeployedStack, call: TonesCall, relay: dict[str, Any]) -> None:
    """Every word of a call is in its lines, once, though runs have died."""
    found = lines(stack, call.id)
    assert {track: text(found[track]) for track in TRACKS} == {
        track: " ".join(said).split() for track, said in call.said.items()
    }
    for track in TRACKS:
        assert [line["number"] for line in found[track]] == [*range(1, len(found[track]) + 1)]
        assert relay["summary"][track]["lines"] == len(found[track])
    assert relay["rescues"] >= 1


def test_last_words_and_summary_come_if_the_function_dies_after_the_stop(
    stack: DeployedStack,
) -> None:
    call = TonesCall("CA-dies-after-stop", sentences=1, silence_ms=6000)

    async def act(function: str) -> None:
        body = {"namespace": "twilio", "guid": call.id, "customerId": "c", "agentId": "a"}
        await command(stack, "start-streaming", body)
        reader = stack.reader("LATEST")
        talking = asyncio.create_task(call.talk(media_url(stack.description, "autotranscribe")))
        await asyncio.to_thread(eventually, lambda: has_landed(reader, call.spoken_ms))
        stop = {"namespace": "twilio", "guid": call.id}
        stopping = asyncio.create_task(command(stack, "stop-streaming", stop))
        await asyncio.to_thread(eventually, lambda: relay_of(stack, call.id)["state"] == "stopped")
        assert kill_workers(stack, function)
        await stopping
        await talking

    # The engine owes the last words, so the run cannot end before it is killed.
    words = sum(len(sentence.split()) for said in call.said.values() for sentence in said)
    engine = StandIn({"000000000000": Key("test")}, faults=[Fault("deaf", words)])
    with engine.running() as stand_in, transcribed_by(stack, stand_in) as function:
        asyncio.run(act(function))
        relay = eventually(lambda: (it := relay_of(stack, call.id)).get("notified_at") and it)

    assert_transcribed(stack, call, relay)
    assert not {"live", "checkpoint"} & relay.keys()
