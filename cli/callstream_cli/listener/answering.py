"""What the listener says to a fork, and when. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callstream.audio.packetizer import pieces
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Start,
)
from callstream.errors import Inexpressible
from callstream_cli.audio import FRAME_MS
from callstream_cli.listener import codecs
from callstream_cli.listener.behaviour import Behaviour
from callstream_cli.reading.errors import ConsumerError


@dataclass(frozen=True, slots=True)
class Line:
    """One message, in seconds after the fork's `start`; `event` is None if it is sent as it is."""

    at: float
    text: str | bytes
    event: ReturnEvent | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """Everything that is to be said, in order, and what cannot be said, and why."""

    lines: Sequence[Line]
    unsaid: Sequence[str]


def talk(behaviour: Behaviour, dialect: str, start: Start) -> Talk:
    """What is said to a fork that has begun so."""
    unsaid: list[str] = []
    lines = [Line(0.0, message) for message in behaviour.messages]
    for at, event in _events(behaviour, start, unsaid):
        try:
            text = DIALECTS[dialect].render_return(event, start.carrier_stream_id)
        except Inexpressible as error:
            unsaid.append(str(error))
        else:
            lines.append(Line(at, text, event))
    return Talk(lines, unsaid)


def _events(
    behaviour: Behaviour, start: Start, unsaid: list[str]
) -> Iterator[tuple[float, ReturnEvent]]:
    """What is to be said, and when, in order."""
    for digit in behaviour.digits:
        yield 0.0, ReturnDtmf(digit)
    at = 0.0
    try:
        audio = codecs.encoded(behaviour.play, start.format, behaviour.byte_order)
    except ConsumerError as error:
        audio = b""
        if behaviour.play:
            unsaid.append(str(error))
    for number, piece in enumerate(pieces(audio, start.format)):
        at = number * FRAME_MS / 1000 / behaviour.speed if behaviour.speed else 0.0
        if behaviour.clear_after is not None and at > behaviour.clear_after:
            # To go on behind the clear would be to say what nobody wants to hear any more.
            at = behaviour.clear_after
            break
        yield at, ReturnMedia(piece)
    for name in behaviour.marks:
        yield at, ReturnMark(name)
    if behaviour.clear_after is not None:
        yield behaviour.clear_after, Clear()
