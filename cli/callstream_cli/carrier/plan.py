"""What a simulated carrier sends in one call, and when. Pure: no socket, no clock.

The messages are those of the carrier's documents (`callstream.dialects`): `connected` without a
sequence number, `start` with number 1, then one more for each message. Faults come after numbering
and before sending, as a network would cause them.

Two choices where the documents are vague: `media.chunk` counts each track on its own, as SignalWire
documents, which is harder for a receiver, since only the sequence number is unique. A frame is sent
when its 20 milliseconds are over, with the timestamp of its beginning.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from heapq import heappop, heappush, merge
from itertools import chain, count, cycle, islice, zip_longest
from operator import itemgetter
from random import Random
from typing import Final

from msgspec.structs import replace

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.audio.packetizer import pieces
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    CarrierEvent,
    Dtmf,
    Mark,
    Media,
    ReturnEvent,
    Start,
    Stop,
    Track,
)
from callstream_cli.audio import FRAME_MS
from callstream_cli.carrier.identity import CarrierName, made_up

_DIGIT_INTERVAL_MS: Final = 500
_DIGIT_MS: Final = 160
PAUSE: Final = ","
"""Among the keys: a pause, as in the dial strings of modems."""
_PAUSE_MS: Final = 2000
# Telephone numbers that are reserved for fiction.
_CALLER, _AGENT = "+13125550100", "+13125550101"


class Fate(StrEnum):
    """What happens to a message on its way."""

    SENT = "sent"
    DROPPED = "dropped"
    DUPLICATE = "duplicate"
    """The second copy; the first is SENT."""
    CORRUPTED = "corrupted"


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a call. `drop`, `corrupt` and `duplicate` are probabilities per media message.

    `shuffle` is a window: a message never comes after a message that was `shuffle` or more places
    behind it. 0 and 1 keep the order. Only media messages are shuffled, unless `shuffle_control` is
    set.
    """

    shuffle: int = 0
    shuffle_control: bool = False
    duplicate: float = 0.0
    drop: float = 0.0
    corrupt: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the plan. `at` is in seconds of the call's own time."""

    at: float
    event: CarrierEvent
    text: str
    fate: Fate = Fate.SENT


@dataclass(frozen=True, slots=True)
class Sequel:
    """What a call sends after its recording."""

    frames: Mapping[Track, Sequence[bytes]]
    """Is repeated."""
    seconds: float | None
    """None: until the carrier hangs up."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call: its carrier, the audio of each track, the keys pressed, and the faults.

    `seed` makes ids and faults repeatable. `call_id` is the call's own; without it one is made up.
    """

    tracks: Mapping[Track, bytes | Sequence[bytes]]
    """Audio in `format`, which is cut into frames of 20 ms; or the frames."""
    carrier: CarrierName = field(default="twilio", kw_only=True)
    format: AudioFormat = field(default=PCMU_8K, kw_only=True)
    faults: Faults = Faults()
    digits: str = ""
    """The keys, one every half second; `PAUSE` among them waits."""
    parameters: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    sequel: Sequel | None = field(default=None, kw_only=True)
    call_id: str | None = field(default=None, kw_only=True)


class Carrier:
    """Writes the messages of one call, and numbers them as they are taken.

    Args:
        plan: the call.
        began_at: when the call begins, in seconds since 1970; some messages have times.
    """

    def __init__(self, plan: CallPlan, began_at: float = 0.0) -> None:
        # Not for secrets: this generator has to be repeatable.
        self._random = Random(plan.seed)  # noqa: S311
        self._plan = plan
        self._began_at = began_at
        self._sequence = count(1)
        self._dialect = DIALECTS[plan.carrier]
        self._frames_of: Mapping[Track, Sequence[bytes]] = {
            track: pieces(audio, plan.format) if isinstance(audio, bytes) else audio
            for track, audio in plan.tracks.items()
        }
        self._hung_up = False
        identity = made_up(plan.carrier, self._random)
        self.identity = dataclasses.replace(identity, call_id=plan.call_id or identity.call_id)

    @property
    def frame_count(self) -> int | None:
        """The number of frames on all tracks together, before any fault; None: without end."""
        sequel = self._plan.sequel
        if sequel is not None and sequel.seconds is None:
            return None
        return sum(map(len, self._frames_of.values())) + self._more * len(self._frames_of)

    def hang_up(self) -> None:
        """End the call: the next message is its last."""
        self._hung_up = True

    def messages(self) -> Iterator[Message]:
        """The messages in the order of sending, including those that are dropped."""
        return _shuffled(self._with_faults(self._in_order()), self._plan.faults, self._random)

    def mark(self, name: str) -> str:
        """The message that returns a mark, numbered if the carrier numbers marks."""
        number = next(self._sequence) if self._dialect.NUMBERS_MARKS else None
        return self._render(Mark(number, name))

    def parse_return(self, text: str | bytes) -> ReturnEvent:
        """Read a message that the server sends to this carrier.

        Raises:
            UnreadableMessage: this carrier would not understand the message.
        """
        return self._dialect.parse_return(text)

    def _in_order(self) -> Iterator[Message]:
        who, plan = self.identity, self._plan
        start = Start(
            sequence=next(self._sequence),
            carrier_stream_id=who.stream_id,
            call_id=who.call_id,
            account_id=who.account_id,
            tracks=tuple(plan.tracks),
            format=plan.format,
            parameters=plan.parameters,
            session_id=who.session_id,
            from_number=_CALLER,
            to_number=_AGENT,
        )
        yield self._message(0, self._dialect.PROTOCOL)
        yield self._message(0, start)
        at = 0
        for at, event in merge(self._frames(), self._keys(), key=itemgetter(0)):
            if self._hung_up:
                break
            yield self._message(at, replace(event, sequence=next(self._sequence)))
        yield self._message(at, Stop(next(self._sequence), who.call_id, who.account_id))

    # The caller merges these two, and numbers their messages.

    def _frames(self) -> Iterator[tuple[int, Media | Dtmf]]:
        rows = chain(zip_longest(*self._frames_of.values()), self._rows_after())
        for index, row in enumerate(rows):
            for track, audio in zip(self._frames_of, row, strict=True):
                if audio is not None:
                    media = Media(0, track, index + 1, index * FRAME_MS, audio)
                    yield (index + 1) * FRAME_MS, media

    @property
    def _more(self) -> int:
        """How many frames of each track follow the recording, if they have an end."""
        sequel = self._plan.sequel
        return 0 if sequel is None else round((sequel.seconds or 0) * 1000 / FRAME_MS)

    def _rows_after(self) -> Iterator[tuple[bytes | None, ...]]:
        sequel = self._plan.sequel
        if sequel is None:
            return iter(())
        rows = cycle(zip_longest(*(sequel.frames[track] for track in self._frames_of)))
        return rows if sequel.seconds is None else islice(rows, self._more)

    def _keys(self) -> Iterator[tuple[int, Media | Dtmf]]:
        at_ms = 0
        for digit in self._plan.digits:
            if digit == PAUSE:
                at_ms += _PAUSE_MS
                continue
            at_ms += _DIGIT_INTERVAL_MS
            pressed_at = datetime.fromtimestamp(self._began_at + at_ms / 1000, UTC)
            yield (
                at_ms,
                Dtmf(
                    sequence=0,
                    track="inbound",
                    digit=digit,
                    duration_ms=_DIGIT_MS,
                    occurred_at=f"{pressed_at:%Y-%m-%dT%H:%M:%S.%fZ}",
                ),
            )

    def _message(self, at_ms: int, event: CarrierEvent) -> Message:
        text = self._render(event)
        # Other events are parsed again, without the fields that the carrier does not have.
        sent = event if isinstance(event, Media) else self._dialect.parse(text)
        return Message(at_ms / 1000, sent, text)

    def _render(self, event: CarrierEvent) -> str:
        return self._dialect.render(event, self.identity.stream_id)

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
    # A frame without its chunk number is still readable.
    del message["media"][random.choice(sorted(message["media"].keys() - {"chunk"}))]
    return json.dumps(message)


def _remove_number(text: str, _random: Random) -> str:
    message = json.loads(text)
    numbers = {"sequenceNumber", "sequence_number"}
    return json.dumps({name: value for name, value in message.items() if name not in numbers})


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
