"""Faults around a good call: its audio stays bit-exact, and bad messages are counted."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from callstream.audio.formats import PCMU_8K
from callstream.dialects import twilio
from callstream.dialects.events import Media, Start, Stop
from callstream_cli.gateway import media_url
from tests.stack.conftest import DeployedStack, Tape, eventually
from tests.stack.faults import FAILED, THROTTLED, Refusal, faulty_kinesis, kill_workers, names_of

FRAME = 160
FRAMES = 100


class GoodCall:
    """A call of two seconds, sent piece by piece."""

    def __init__(self, stack: DeployedStack, call_id: str) -> None:
        self.id = call_id
        self.audio = Random(call_id).randbytes(FRAMES * FRAME)  # noqa: S311  # it must repeat
        self._socket: ClientConnection | None = None
        self._url = media_url(stack.description, "genagent")

    @contextmanager
    def connected(self) -> Iterator["GoodCall"]:
        """From the first message to the last."""
        start = Start(1, f"MZ-{self.id}", self.id, "AC", ("inbound",), PCMU_8K)
        with connect(self._url, proxy=None, compression=None) as self._socket:
            self.say(twilio.render(twilio.PROTOCOL, ""), twilio.render(start, f"MZ-{self.id}"))
            yield self
            self.say(twilio.render(Stop(FRAMES + 2, self.id, "AC"), f"MZ-{self.id}"))

    def frames(self, first: int, end: int) -> None:
        """Send some of the frames."""
        for number in range(first, end):
            audio = self.audio[number * FRAME : (number + 1) * FRAME]
            media = Media(number + 2, "inbound", number + 1, number * 20, audio)
            self.say(twilio.render(media, f"MZ-{self.id}"))

    def say(self, *messages: str) -> None:
        """Send anything."""
        assert self._socket is not None
        for message in messages:
            self._socket.send(message)

    def heard(self) -> bool:
        """Whether the gateway has said anything; it must not."""
        assert self._socket is not None
        try:
            self._socket.recv(timeout=0.5)
        except TimeoutError:
            return False
        return True


def counted(stack: DeployedStack, call_id: str, messages: int) -> dict[str, Any]:
    """The item of a call's only stream, when so many of its messages have been counted."""
    table = stack.table("streams")

    def look() -> dict[str, Any] | None:
        call = table.get_item(Key={"pk": f"CALL#demo#{call_id}", "sk": "CALL"}).get("Item", {})
        for stream_id in call.get("streams", ()):
            key = {"pk": f"STREAM#{stream_id}", "sk": "STREAM"}
            item: dict[str, Any] = table.get_item(Key=key)["Item"]
            if item.get("messages", 0) >= messages:
                return item
        return None

    return eventually(look)


def has_landed(tape: Tape, call: GoodCall, frames: int) -> bool:
    """Whether so many of the call's frames are on Kinesis."""
    stream = tape.so_far(call.id)
    return stream is not None and len(stream.audio("inbound")) == frames * FRAME


# Connected, start, the frames, stop, and the disconnection.
ALL = FRAMES + 4


def sometimes(*refusals: Refusal) -> Iterable[Refusal | None]:
    """Refuse now and then, for a while; then no more."""
    random = Random(7)  # noqa: S311  # it must repeat
    for _ in range(60):
        yield random.choice((*refusals, None))
    while True:
        yield None


def test_call_survives_a_kinesis_that_throttles_and_fails(stack: DeployedStack, tape: Tape) -> None:
    call = GoodCall(stack, "CA-throttled")
    functions = ("MediaFrameFunction", "MediaEventFunction", "OverflowReplayFunction")
    with faulty_kinesis(stack, *functions) as kinesis, call.connected():
        call.frames(0, 20)
        eventually(partial(has_landed, tape, call, 20))
        refusals = iter(sometimes(THROTTLED, FAILED))
        kinesis.refuse = lambda _: next(refusals)
        call.frames(20, 60)
        eventually(lambda: kinesis.refused.keys() == {THROTTLED[1], FAILED[1]})
        # For a while nothing is taken at all.
        kinesis.refuse = lambda _: THROTTLED
        call.frames(60, 80)
        before = kinesis.refused.total()
        eventually(lambda: kinesis.refused.total() > before + 2)
        kinesis.refuse = lambda _: None
        call.frames(80, FRAMES)
        assert not call.heard()

        # What was refused comes back by the overflow queue.
        eventually(partial(has_landed, tape, call, FRAMES))
    assert tape.stream_of(call.id).audio("inbound") == call.audio


@pytest.mark.parametrize("victim", ["MediaFrameFunction", "MediaEventFunction"])
def test_call_survives_a_killed_function(stack: DeployedStack, tape: Tape, victim: str) -> None:
    call = GoodCall(stack, f"CA-killed-{victim}")
    [name] = names_of(stack, victim)
    killed = 0
    with call.connected():
        for first in range(0, FRAMES, 25):
            call.frames(first, first + 25)
            # Between two frames: with one in its hands, a function takes that with it, on AWS too.
            eventually(partial(has_landed, tape, call, first + 25))
            killed += kill_workers(stack, name)

    assert killed
    assert tape.stream_of(call.id).audio("inbound") == call.audio


def test_counters_survive_a_killed_function(stack: DeployedStack) -> None:
    call = GoodCall(stack, "CA-killed-counters")
    [name] = names_of(stack, "StreamCountersFunction")
    killed = 0
    with call.connected():
        for first in range(0, FRAMES, 25):
            call.frames(first, first + 25)
            counted(stack, call.id, first)
            killed += kill_workers(stack, name)

    item = counted(stack, call.id, ALL)
    assert killed
    assert item["messages"] == ALL
    assert item["frames"] == {"inbound": FRAMES}
    assert item["audio_bytes"] == len(call.audio)
    assert (item["skipped"], item["repeats"], item["late"]) == (0, 0, 0)


def media(sequence: object = "51", **fields: object) -> str:
    """A frame of the good call's form, with something in place of what should be there."""
    body = {"track": "inbound", "chunk": "50", "timestamp": "980", "payload": "/w=="} | fields
    return json.dumps(
        {"event": "media", "sequenceNumber": sequence, "streamSid": "MZ", "media": body}
    )


LARGEST = 128 * 1024
# Deeper than so, the emulator itself cannot read a message, and closes the connection; that we can
# take deeper ones is a matter of unit tests.
DEEP = 5000
BAD = {
    "not_json": ['{"event": "media", ', '{"event": "media"}}', media() + media()],
    "not_as_documented": [
        media(payload="*not base64*"),
        media(payload="/w="),
        media(payload=b64encode(bytes(90_000)).decode() + "!"),
        media(sequence="9" * 40),
        media(sequence="-1"),
        media(sequence=1e300),
        media(sequence=None),
        media(track="sideways"),
        media(payload="[" * DEEP),
        media().replace('"/w=="', "[" * DEEP + "]" * DEEP),
        media().replace('"/w=="', '{"a":' * DEEP + "1" + "}" * DEEP),
        json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ", "start": {}}),
        '{"event": "' + "x" * (LARGEST - 13) + '"}',
    ],
}


def test_bad_messages_do_not_disturb_good_ones(stack: DeployedStack, tape: Tape) -> None:
    call = GoodCall(stack, "CA-bad")
    bad = [(reason, text) for reason, texts in BAD.items() for text in texts]
    Random(3).shuffle(bad)  # noqa: S311  # it must repeat
    step = FRAMES // len(bad)
    with call.connected():
        for place, (_, text) in enumerate(bad):
            call.frames(place * step, (place + 1) * step)
            call.say(text)
        call.frames(len(bad) * step, FRAMES)
        assert not call.heard()

    stream = tape.stream_of(call.id)
    assert stream.audio("inbound") == call.audio
    reasons = {reason: len(texts) for reason, texts in BAD.items()}
    assert Counter(each.reason for each in stream.rejected) == reasons
    assert all(len(each.head) <= 64 for each in stream.rejected)
    item = counted(stack, call.id, ALL + len(bad))
    assert item["rejected"] == reasons
    assert item["frames"] == {"inbound": FRAMES}


def test_absurd_sequence_numbers_do_not_disturb_a_call(stack: DeployedStack) -> None:
    """They can be read, so they are not rejected; no consumer may follow them."""
    call = GoodCall(stack, "CA-absurd")
    with call.connected():
        call.frames(0, 50)
        call.say(media(sequence=str(2**53 - 1)), media(sequence="5000000"), media(sequence="0"))
        call.frames(50, FRAMES)

    item = counted(stack, call.id, ALL + 3)
    assert item["frames"] == {"inbound": FRAMES}
    assert item["audio_bytes"] == len(call.audio)
    assert item["skipped"] == 0
    assert item["strays"] + item["late"] + item["repeats"] == 3


def test_second_start_and_frames_after_stop_do_not_disturb_a_call(
    stack: DeployedStack, tape: Tape
) -> None:
    call = GoodCall(stack, "CA-twice")
    again = Start(FRAMES + 3, "MZ-other", "CA-other", "AC", ("outbound",), PCMU_8K)
    with call.connected():
        call.frames(0, 50)
        call.say(twilio.render(again, "MZ-other"))
        call.frames(50, FRAMES)
        call.say(twilio.render(Stop(FRAMES + 2, call.id, "AC"), f"MZ-{call.id}"))
        call.say(*(media(sequence=str(FRAMES + more)) for more in (4, 5)))

    stream = tape.stream_of(call.id)
    assert stream.audio("inbound")[: len(call.audio)] == call.audio
    table = stack.table("streams")
    assert "Item" not in table.get_item(Key={"pk": "CALL#demo#CA-other", "sk": "CALL"})
    item = counted(stack, call.id, ALL + 4)
    assert (item["state"], item["call_id"]) == ("closed", call.id)


def test_bad_tokens_do_not_disturb_a_good_call(stack: DeployedStack, tape: Tape) -> None:
    call = GoodCall(stack, "CA-besieged")
    good = media_url(stack.description, "genagent")
    tokens = [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        stack.media_url("garbage"),
        stack.media_url(""),
        stack.media_url("e30.e30.e30"),
        stack.media_url("x" * 4000),
    ]
    refused: Counter[int] = Counter()
    with call.connected():
        for number in range(200):
            if number % 2 == 0:
                call.frames(number // 2, number // 2 + 1)
            with pytest.raises(InvalidStatus) as caught:
                connect(tokens[number % len(tokens)], proxy=None)
            refused[caught.value.response.status_code] += 1

    assert sum(refused.values()) == 200
    assert refused.keys() <= {401, 403}
    assert tape.stream_of(call.id).audio("inbound") == call.audio
