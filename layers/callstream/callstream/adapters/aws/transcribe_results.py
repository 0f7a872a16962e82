"""From Amazon Transcribe's results to utterances, and up to where its audio is done. No I/O.

Source: docs.aws.amazon.com/transcribe/latest/APIReference/API_streaming_Result.html.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from callstream.frames.records import Word
from callstream.transcription.engine import EngineFailed, PrivateSpan, Utterance

# A partial result may begin later than its first word does.
_LEAD_MS: Final = 500
# If a channel's audio has given no result by the time that another channel's audio, later by so
# much, gives one: then it gives none.
_BEHIND_MS: Final = 5000
# If no channel gives any result for so many seconds after some audio was fed, it gives none. The
# connection notices sooner if Amazon is gone.
_QUIET_LOOKS: Final = 15
# Amazon recognises in real time: audio that is fed faster may still wait there. A little more than
# a second each second, to keep up.
_QUIET_STEP_MS: Final = 1100

# `[PII]`, or a type such as `[NAME]`, in place of what was said.
_PLACEHOLDER: Final = re.compile(r"\[[A-Z][A-Z_]*\]")
_OPENING: Final = frozenset("¿¡([{«“")
# Times of entities and items are seconds, as floats.
_TOLERANCE: Final = 0.001


class _Item(Struct, rename="pascal"):
    content: str = ""
    start_time: float = 0.0
    end_time: float = 0.0
    type: str = "pronunciation"
    confidence: float | None = None


class _Entity(Struct, rename="pascal"):
    content: str | None = None
    start_time: float | None = None
    end_time: float | None = None


class _Alternative(Struct, rename="pascal"):
    transcript: str | None = None
    items: tuple[_Item, ...] | None = None
    entities: tuple[_Entity, ...] | None = None


class _Result(Struct, rename="pascal"):
    result_id: str
    start_time: float
    end_time: float
    is_partial: bool
    channel_id: str | None = None
    alternatives: tuple[_Alternative, ...] | None = None


class _Transcript(Struct, rename="pascal"):
    results: tuple[_Result, ...] | None = None


class _Event(Struct, rename="pascal"):
    transcript: _Transcript


_decoder = msgspec.json.Decoder(_Event)


class _Channel:
    """The state of one channel. Times are milliseconds of the session."""

    def __init__(self) -> None:
        self.partials: dict[str, int] = {}
        """When each result began that is not final yet."""
        self.taken_until = 0
        self.settled = 0


class Results:
    """The results of one session."""

    def __init__(self, channels: int) -> None:
        self._channels = [_Channel() for _ in range(channels)]
        self._finals: deque[Utterance] = deque()
        self._known: set[str] = set()
        self._reached = 0
        self._quiet_until = 0
        self._fed = 0
        self._fed_at_looks: deque[int] = deque(maxlen=_QUIET_LOOKS)

    def add(self, payload: bytes) -> None:
        """Read a `TranscriptEvent`.

        Raises:
            EngineFailed: this is no such event.
        """
        try:
            event = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeError):
            raise EngineFailed("unreadable answer") from None
        for result in event.transcript.results or ():
            self._add(result)

    def _add(self, result: _Result) -> None:
        number = _channel_number(result.channel_id)
        if number >= len(self._channels):
            raise EngineFailed("unreadable answer")
        channel = self._channels[number]
        self._reached = max(self._reached, _ms(result.end_time))
        if result.result_id in self._known:
            return
        if result.is_partial:
            began = channel.partials.get(result.result_id, _ms(result.start_time))
            channel.partials[result.result_id] = min(began, _ms(result.start_time))
            return
        self._known.add(result.result_id)
        # Results of a channel come one after the other. A partial one may be given up for another.
        end = _ms(result.end_time)
        channel.partials = {
            known: began
            for known, began in channel.partials.items()
            if known != result.result_id and began >= end
        }
        utterance = _utterance(number, result)
        if utterance is not None:
            self._finals.append(utterance)

    def take(self) -> Utterance | None:
        """The next utterance, if there is one."""
        if not self._finals:
            return None
        utterance = self._finals.popleft()
        channel = self._channels[utterance.channel]
        channel.taken_until = max(channel.taken_until, utterance.end_ms)
        return utterance

    def fed(self, until_ms: int) -> None:
        """Note up to where the session has audio."""
        self._fed = until_ms

    def look(self) -> None:
        """Note that Amazon has sent nothing for a second."""
        if len(self._fed_at_looks) == _QUIET_LOOKS:
            self._quiet_until = min(self._fed_at_looks[0], self._quiet_ms + _QUIET_STEP_MS)
        self._fed_at_looks.append(self._fed)

    def end(self) -> None:
        """Note that all results of the session have come."""
        self._quiet_until = self._fed
        for channel in self._channels:
            channel.partials.clear()

    def settled_ms(self, number: int) -> int:
        """Up to where a channel's audio is done; never goes back."""
        channel = self._channels[number]
        pending = [began - _LEAD_MS for began in channel.partials.values()]
        pending += [final.start_ms for final in self._finals if final.channel == number]
        settled = max(channel.taken_until, min([self._quiet_ms, *pending]))
        channel.settled = max(channel.settled, settled)
        return channel.settled

    @property
    def _quiet_ms(self) -> int:
        """Before this place, what has given no result by now gives none."""
        return max(self._quiet_until, self._reached - _BEHIND_MS)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _channel_number(channel_id: str | None) -> int:
    """`ch_1` is 1. Raises EngineFailed."""
    if channel_id is None:
        return 0
    digits = channel_id.removeprefix("ch_")
    if not (digits.isascii() and digits.isdecimal()):
        raise EngineFailed("unreadable answer")
    return int(digits)


class _Piece(Struct):
    """A spoken item on its way to a `Word`. `start` is the place of its text in the line."""

    item: _Item
    start: int
    before: str = ""
    after: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.item.content)


def _utterance(channel: int, result: _Result) -> Utterance | None:
    """The utterance of a final result; None if nothing was said."""
    best = result.alternatives[0] if result.alternatives else _Alternative()
    text, pieces = _line(best.items or ())
    if not pieces:
        text = (best.transcript or "").strip()
    if not text:
        return None
    return Utterance(
        channel=channel,
        start_ms=_ms(result.start_time),
        end_ms=_ms(result.end_time),
        text=text,
        words=tuple(
            Word(
                piece.item.content,
                _ms(piece.item.start_time),
                _ms(piece.item.end_time),
                piece.before,
                piece.after,
                piece.item.confidence,
            )
            for piece in pieces
        ),
        private=_private(text, pieces, best.entities or ()),
    )


def _line(items: tuple[_Item, ...]) -> tuple[str, list[_Piece]]:
    """The text of a line, and where each of its words is."""
    text = opening = ""
    pieces: list[_Piece] = []
    for item in items:
        if item.type == "punctuation":
            if item.content in _OPENING or not pieces:
                opening += item.content
            else:
                text += item.content
                pieces[-1].after += item.content
        elif item.content:
            text += " " * bool(text) + opening
            pieces.append(_Piece(item, len(text), before=opening))
            text += item.content
            opening = ""
    return text, pieces


def _private(
    text: str, pieces: list[_Piece], entities: tuple[_Entity, ...]
) -> tuple[PrivateSpan, ...]:
    """The private parts of a line, in order."""
    spans = [(found.start(), found.end()) for found in _PLACEHOLDER.finditer(text)]
    for entity in entities:
        # An entity that is found nowhere may be anywhere.
        spans += _places(text, pieces, entity) or [(0, len(text))]
    joined: list[PrivateSpan] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1].end:
            last = joined.pop()
            start, end = last.start, max(last.end, end)  # noqa: PLW2901
        joined.append(PrivateSpan(start, end))
    return tuple(joined)


def _places(text: str, pieces: list[_Piece], entity: _Entity) -> list[tuple[int, int]]:
    """Where an entity is: by its time, and by its text if that is elsewhere."""
    found: list[tuple[int, int]] = []
    if entity.start_time is not None and entity.end_time is not None:
        begin, end = entity.start_time - _TOLERANCE, entity.end_time + _TOLERANCE
        meant = [
            piece
            for piece in pieces
            if begin <= (piece.item.start_time + piece.item.end_time) / 2 <= end
        ]
        if meant:
            found.append((meant[0].start, meant[-1].end))
    content = entity.content or ""
    if not any(content in text[start:end] for start, end in found):
        found += _occurrences(text, content)
    return found


def _occurrences(text: str, content: str) -> Iterator[tuple[int, int]]:
    if content:
        for found in re.finditer(re.escape(content), text, re.IGNORECASE):
            yield found.start(), found.end()
