"""What the listener sends on a fork, and when. Pure."""

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
class Answer:
    """One message to send, in seconds after the fork's `start`; raw text has no event."""

    at: float
    text: str | bytes
    event: ReturnEvent | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """All messages to send on a fork, in order, and why others cannot be sent."""

    messages: Sequence[Answer]
    unsent: Sequence[str]


def answers(behaviour: Behaviour, dialect: str, start: Start) -> Answers:
    """The messages that a behaviour sends on a fork that began with `start`."""
    unsent: list[str] = []
    messages = [Answer(0.0, message) for message in behaviour.messages]
    for at, event in _events(behaviour, start, unsent):
        try:
            text = DIALECTS[dialect].render_return(event, start.carrier_stream_id)
        except Inexpressible as error:
            unsent.append(str(error))
        else:
            messages.append(Answer(at, text, event))
    return Answers(messages, unsent)


def _events(
    behaviour: Behaviour, start: Start, unsent: list[str]
) -> Iterator[tuple[float, ReturnEvent]]:
    """The events to send, each with its time, in order."""
    for digit in behaviour.digits:
        yield 0.0, ReturnDtmf(digit)
    at = 0.0
    try:
        audio = codecs.encoded(behaviour.play, start.format, behaviour.byte_order)
    except ConsumerError as error:
        audio = b""
        if behaviour.play:
            unsent.append(str(error))
    for number, piece in enumerate(pieces(audio, start.format)):
        at = number * FRAME_MS / 1000 / behaviour.speed if behaviour.speed else 0.0
        if behaviour.clear_after is not None and at > behaviour.clear_after:
            # Audio behind the clear would be played although the consumer has changed its mind.
            at = behaviour.clear_after
            break
        yield at, ReturnMedia(piece)
    for name in behaviour.marks:
        yield at, ReturnMark(name)
    if behaviour.clear_after is not None:
        yield behaviour.clear_after, Clear()
