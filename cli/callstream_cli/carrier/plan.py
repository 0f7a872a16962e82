"""What a simulated carrier sends in one call, and when. Pure: no socket, no clock.

The messages are Twilio's, one by one (twilio.com/docs/voice/media-streams/websocket-messages):
`connected` without a sequence number, `start` with number 1, then one more for each message.
Faults are made on the way, as a network would make them: after numbering, before sending.

Two choices where Twilio's page is vague. `media.chunk` counts each track on its own: SignalWire,
which took over the protocol, documents it so, and it is the harder case for a receiver, since only
`sequenceNumber` is unique then. A frame is sent when its 20 milliseconds are over, with the
timestamp of its beginning.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush, merge
from itertools import count, zip_longest
from operator import itemgetter
from random import Random
from typing import Final, Self

from msgspec.structs import replace

from callstream.dialects import twilio
from callstream.dialects.events import (
    PCMU_8K,
    CarrierEvent,
    Dtmf,
    Mark,
    Media,
    Start,
    Stop,
)
from callstream_cli.audio import FRAME_MS, Tracks, frames

_DIGIT_INTERVAL_MS: Final = 500


class Fate(StrEnum):
    """What happens to one message on its way."""

    SENT = "sent"
    DROPPED = "dropped"
    DUPLICATE = "duplicate"
    """The second copy; the first is SENT."""
    CORRUPTED = "corrupted"


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. `drop`, `corrupt` and `duplicate` are probabilities for each media message.

    `shuffle` is a window: a message never comes after one that was so many, or more, behind it.
    0 and 1 keep the order. Only media messages are shuffled, unless `shuffle_control` is set.
    """

    shuffle: int = 0
    shuffle_control: bool = False
    duplicate: float = 0.0
    drop: float = 0.0
    corrupt: float = 0.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Twilio's three ids of a call's stream."""

    stream_sid: str
    call_sid: str
    account_sid: str

    @classmethod
    def random(cls, random: Random) -> Self:
        """Make them up, in Twilio's form."""
        return cls(*(f"{prefix}{random.getrandbits(128):032x}" for prefix in ("MZ", "CA", "AC")))


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the plan. `at` is in seconds of the call's own time."""

    at: float
    event: CarrierEvent
    text: str
    fate: Fate = Fate.SENT


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call: who, what is said on each track, the keys pressed, and what goes wrong.

    `seed` makes ids and faults repeatable.
    """

    tracks: Tracks
    faults: Faults = Faults()
    digits: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    seed: int | None = None


class Carrier:
    """Writes the messages of one call, numbering them as they are taken."""

    def __init__(self, plan: CallPlan) -> None:
        # Not for secrets: the point of this generator is that it repeats.
        self._random = Random(plan.seed)  # noqa: S311
        self._plan = plan
        self._sequence = count(1)
        self.identity = Identity.random(self._random)

    @property
    def frame_count(self) -> int:
        """How many frames the call has on all tracks together, before any fault."""
        return sum(1 for audio in self._plan.tracks.values() for _ in frames(audio))

    def messages(self) -> Iterator[Message]:
        """The messages in the order of sending; those that are dropped are among them, as such."""
        return _shuffled(self._with_faults(self._in_order()), self._plan.faults, self._random)

    def mark(self, name: str) -> str:
        """The echo of a mark, with the next sequence number."""
        return self._render(Mark(next(self._sequence), name))

    def _in_order(self) -> Iterator[Message]:
        who, plan = self.identity, self._plan
        start = Start(
            sequence=next(self._sequence),
            carrier_stream_id=who.stream_sid,
            call_id=who.call_sid,
            account_id=who.account_sid,
            tracks=tuple(plan.tracks),
            format=PCMU_8K,
            parameters=plan.parameters,
        )
        yield self._message(0, twilio.PROTOCOL)
        yield self._message(0, start)
        at = 0
        for at, event in merge(self._said(), self._dialled(), key=itemgetter(0)):
            yield self._message(at, replace(event, sequence=next(self._sequence)))
        yield self._message(at, Stop(next(self._sequence), who.call_sid, who.account_sid))

    # These two leave the numbering to the one who merges them.

    def _said(self) -> Iterator[tuple[int, Media | Dtmf]]:
        tracks = self._plan.tracks
        for index, row in enumerate(zip_longest(*(frames(audio) for audio in tracks.values()))):
            for track, audio in zip(tracks, row, strict=True):
                if audio is not None:
                    media = Media(0, track, index + 1, index * FRAME_MS, audio)
                    yield (index + 1) * FRAME_MS, media

    def _dialled(self) -> Iterator[tuple[int, Media | Dtmf]]:
        for index, digit in enumerate(self._plan.digits):
            yield (index + 1) * _DIGIT_INTERVAL_MS, Dtmf(0, "inbound", digit)

    def _message(self, at_ms: int, event: CarrierEvent) -> Message:
        return Message(at_ms / 1000, event, self._render(event))

    def _render(self, event: CarrierEvent) -> str:
        return twilio.render(event, self.identity.stream_sid)

    def _with_faults(self, messages: Iterable[Message]) -> Iterator[Message]:
        faults, random = self._plan.faults, self._random
        for message in messages:
            if not isinstance(message.event, Media):
                yield message
            elif random.random() < faults.drop:
                yield dataclasses.replace(message, fate=Fate.DROPPED)
            elif random.random() < faults.corrupt:
                text = corrupted(message.text, random)
                yield dataclasses.replace(message, fate=Fate.CORRUPTED, text=text)
            else:
                yield message
                if random.random() < faults.duplicate:
                    yield dataclasses.replace(message, fate=Fate.DUPLICATE)


def corrupted(text: str, random: Random) -> str:
    """Make a media message unreadable, in one of several ways."""
    return random.choice(_CORRUPTIONS)(text, random)


def _truncate(text: str, random: Random) -> str:
    return text[: random.randrange(1, len(text))]


def _break_base64(text: str, _random: Random) -> str:
    message = json.loads(text)
    message["media"]["payload"] = "*" + message["media"]["payload"][1:]
    return json.dumps(message)


def _rename_event(text: str, _random: Random) -> str:
    return json.dumps(json.loads(text) | {"event": "noise"})


def _remove_field(text: str, random: Random) -> str:
    message = json.loads(text)
    del message["media"][random.choice(sorted(message["media"]))]
    return json.dumps(message)


def _remove_number(text: str, _random: Random) -> str:
    message = json.loads(text)
    del message["sequenceNumber"]
    return json.dumps(message)


_CORRUPTIONS: Final[tuple[Callable[[str, Random], str], ...]] = (
    _truncate,
    _break_base64,
    _rename_event,
    _remove_field,
    _remove_number,
)


def _shuffled(messages: Iterable[Message], faults: Faults, random: Random) -> Iterator[Message]:
    """Delay messages at random within the window.

    The i-th message's place is drawn from [i, i + window); they are sent in order of places.
    """
    if faults.shuffle <= 1:
        yield from messages
        return
    delayed: list[tuple[float, int, Message]] = []
    movable = CarrierEvent if faults.shuffle_control else Media
    index = 0
    at = 0.0
    for message in messages:
        at = message.at
        if not isinstance(message.event, movable):
            if isinstance(message.event, Stop):
                yield from _sent(delayed, math.inf, at)
            yield message
            continue
        heappush(delayed, (index + random.random() * faults.shuffle, index, message))
        yield from _sent(delayed, index, at)
        index += 1
    yield from _sent(delayed, math.inf, at)


def _sent(delayed: list[tuple[float, int, Message]], place: float, at: float) -> Iterator[Message]:
    while delayed and delayed[0][0] <= place:
        yield dataclasses.replace(heappop(delayed)[2], at=at)
