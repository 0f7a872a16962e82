"""What the listener sends on a fork, and when. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import AudioFormat
from callstream.audio.packetizer import MP3
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
from callstream_cli import codecs
from callstream_cli.audio import FRAME_MS
from callstream_cli.listener.behaviour import Behaviour

# Telnyx takes one file a second; a little more, as messages do not come evenly.
_MP3_SECONDS: Final = 1.1


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
        played = _played(behaviour, start.format)
    except UnusableAudio as error:
        played = []
        unsent.append(str(error))
    for planned_at, audio in played:
        if behaviour.clear_after is not None and planned_at > behaviour.clear_after:
            # Audio behind the clear would be played although the consumer has changed its mind.
            at = behaviour.clear_after
            break
        at = planned_at
        yield at, ReturnMedia(audio)
    for name in behaviour.marks:
        yield at, ReturnMark(name)
    if behaviour.clear_after is not None:
        yield behaviour.clear_after, Clear()


def _played(behaviour: Behaviour, fork: AudioFormat) -> Sequence[tuple[float, bytes]]:
    """The audio to send, each message with its time. Raises `UnusableAudio`."""
    target, speed = behaviour.answer_format or fork, behaviour.speed
    if not behaviour.play:
        return []
    if target.encoding == MP3:
        messages = codecs.mp3(behaviour.play, behaviour.play_format, _MP3_SECONDS * speed)
        return [(number * _MP3_SECONDS, message) for number, message in enumerate(messages)]
    frames = codecs.encoded(behaviour.play, behaviour.play_format, target, behaviour.byte_order)
    seconds = FRAME_MS / 1000 / speed if speed else 0.0
    return [(number * seconds, frame) for number, frame in enumerate(frames)]
