"""The transcript of the demo's call, compared with what is said in the recording. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from callstream.dialects.events import Track
from callstream.frames.records import Transcript
from callstream_cli.audio import FRAME_MS
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.conversation import SPEAKERS, Said
from callstream_cli.demo.landing import Landing
from callstream_cli.plain_output import visible

_WORD: Final = re.compile(r"[a-z0-9']+")
# A small model takes some words for others, and a busy machine may cut a sentence elsewhere.
_MOST_WRONG: Final = 0.1


@dataclass(frozen=True, slots=True)
class Recognised:
    """How much of the words of one speaker is in the transcript."""

    expected: int
    """How many words are said."""
    heard: int
    """How many words the transcript has."""
    right: int
    """How many of them are those that are said, in this order."""

    @property
    def is_good(self) -> bool:
        """Whether nearly all words are right, and there are hardly any others."""
        return max(self.expected, self.heard) - self.right <= _MOST_WRONG * self.expected


def recognised(
    said: Iterable[Said], transcript: Sequence[Transcript]
) -> Mapping[Track, Recognised]:
    """Compare a transcript, in the order of its times, with what is said on each track."""
    expected: dict[Track, list[str]] = {}
    for each in said:
        expected.setdefault(each.track, []).extend(_words(each.text))
    heard = {
        track: [word for line in transcript if line.track == track for word in _words(line.text)]
        for track in expected
    }
    return {track: _compared(words, heard[track]) for track, words in expected.items()}


def in_words(line: Transcript) -> str:
    """A line as the demo shows it: when it begins, the speaker, and the text."""
    speaker = SPEAKERS[line.track]
    return f"{line.start_ms / 1000:5.1f} s  {speaker:<6}  {visible(line.text)}"


def since_spoken(report: CallReport, landing: Landing) -> Iterator[float]:
    """Milliseconds from the end of each line, as the carrier sent it, to its record on Kinesis."""
    for line, arrived_at in landing.lines.values():
        sent_at = report.frame_sent_at(line.track, line.end_ms // FRAME_MS)
        if sent_at is not None:
            yield arrived_at - sent_at * 1000


def _compared(expected: Sequence[str], heard: Sequence[str]) -> Recognised:
    blocks = SequenceMatcher(None, expected, heard, autojunk=False).get_matching_blocks()
    return Recognised(len(expected), len(heard), sum(block.size for block in blocks))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
