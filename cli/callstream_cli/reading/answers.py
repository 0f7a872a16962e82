"""When the carrier played what relays posted: the answers on a stream's time line. Pure.

The carrier plays pieces one behind the other, in the order in which they were posted, whichever
relay posted them. A `clear` cuts what is not played by then, and so does the end of the call.
"""

from collections.abc import Callable
from dataclasses import dataclass

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.frames.records import Cleared, Returned
from callstream_cli.codecs import TrackDecoder
from callstream_cli.reading.lanes import SAMPLE_BYTES, Lane, TrackReport
from callstream_cli.reading.recording import Story


@dataclass(slots=True)
class _Answer:
    """Audio that was played. Lengths are in samples, `at` from the beginning of the stream."""

    at: int
    audio: bytes


@dataclass(slots=True)
class _Answers:
    """The answers of a stream."""

    pieces: list[_Answer]
    undecodable: int = 0


def _played(
    story: Story, rate: int, width: int, decoder: Callable[[], Callable[[bytes], bytes]]
) -> _Answers:
    """Place the answers of a stream.

    Args:
        story: the stream.
        rate: samples a second.
        width: bytes of a sample.
        decoder: makes the decoder of one relay's pieces; it may raise `UnusableAudio` for a piece.
    """
    answers = _Answers([])
    decoders: dict[str, Callable[[bytes], bytes]] = {}
    end = 0
    for record in story.answers:
        event, now = record.event, max(record.received_at - story.audio_began_at, 0) * rate // 1000
        if isinstance(event, Cleared):
            _cut(answers.pieces, now, width)
            end = min(end, now)
        elif isinstance(event, Returned):
            if event.relay_id not in decoders:
                decoders[event.relay_id] = decoder()
            try:
                audio = decoders[event.relay_id](event.audio)
            except UnusableAudio:
                answers.undecodable += 1
                continue
            begins = max(end, now)
            answers.pieces.append(_Answer(begins, audio))
            end = begins + len(audio) // width
    if story.ended_at is not None:
        _cut(answers.pieces, max(story.ended_at - story.audio_began_at, 0) * rate // 1000, width)
    return answers


def _cut(pieces: list[_Answer], at: int, width: int) -> None:
    """Play nothing behind a time."""
    while pieces and pieces[-1].at >= at:
        pieces.pop()
    if pieces:
        pieces[-1].audio = pieces[-1].audio[: (at - pieces[-1].at) * width]


def answers_lane(story: Story, format_: AudioFormat, byte_order: ByteOrder | None) -> Lane:
    """The answers of a stream as its outbound track; without a byte order for L16, as posted."""

    def decoder() -> Callable[[bytes], bytes]:
        if byte_order is None:
            return bytes
        of_relay = TrackDecoder(format_, byte_order)
        return lambda piece: of_relay.decode(piece).tobytes()

    width = 1 if byte_order is None else SAMPLE_BYTES
    answers = _played(story, format_.audio_rate, width, decoder)
    report = TrackReport(
        frames=len(answers.pieces), undecodable=answers.undecodable, are_answers=True
    )
    lane = Lane(width, report)
    for piece in answers.pieces:
        lane.append(piece.audio, piece.at - lane.end)
    return lane
