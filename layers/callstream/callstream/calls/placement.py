"""Chooses the ids of new streams so that all shards of the frames stream have as much to do.

The partition key of a record is its stream's id, and each shard of Kinesis owns a range of the MD5
hashes of the keys: the id decides which shard takes all records of a stream. A shard takes 1,000
records a second, which are 20 tracks with frames of 20 ms. Ids by chance give one shard 25 tracks
and another 12.

So the hashes are divided into 256 equal parts, and `calls.track_counts` counts the tracks that
stream, by part. A new stream goes into that half of the parts which has fewer tracks, then into
that half of the half, and so on. The loads of shards are then equal if their number is a power of
two, and nearly equal otherwise. Nothing here knows the shards: Kinesis may split them at any time.

Sources: "Kinesis Data Streams terminology", partition key; the limits of `PutRecord`.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol
from uuid import uuid4

from callstream.calls.lifecycle import StreamState
from callstream.calls.model import MediaStream
from callstream.errors import CallstreamError

PARTS: Final = 256
"""The first byte of a hash is its part."""
_MOVES: Final = 3
_TAILS: Final = 16**12

_logger = logging.getLogger(__name__)


class Counts(Protocol):
    """The tracks of each part, as `track_counts.TrackCounts` keeps them."""

    def read(self) -> list[int] | None:
        """The tracks of all parts; None if nothing is counted yet. Raises `Unavailable`."""

    def change(self, by: Mapping[int, int]) -> list[int]:
        """Change the counts of parts; returns all counts after that. Raises `Unavailable`."""


def part_of(stream_id: str) -> int:
    """The part that a stream belongs to."""
    return hashlib.md5(stream_id.encode(), usedforsecurity=False).digest()[0]


def tracks_of(stream: MediaStream) -> int:
    """How many tracks stream: 1 before the start message says so, and 0 after the stop message."""
    is_over = stream.state in {StreamState.STOPPED, StreamState.CLOSED}
    return 0 if is_over else number_of(stream.tracks)


def number_of(tracks: Iterable[str]) -> int:
    """How many tracks these are: 1 if none is named, as Telnyx's start message names none."""
    return max(1, len(set(tracks)))


def emptiest(counts: Sequence[int], chance: Callable[[], float]) -> int:
    """The part for a new stream: in the half with fewer tracks, in that half of it, and so on.

    Args:
        counts: the tracks of each part. A count below 0 is wrong, and counts as 0.
        chance: gives a random number from 0 to 1, for halves with the same number of tracks.
    """
    tracks = [max(0, count) for count in counts]
    first, size = 0, len(tracks)
    while size > 1:
        size //= 2
        near = sum(tracks[first : first + size])
        far = sum(tracks[first + size : first + 2 * size])
        if far < near or (far == near and chance() < 1 / 2):
            first += size
    return first


def is_even(counts: Sequence[int], part: int) -> bool:
    """Whether a part that got one track more was the emptiest: no half has 2 more than the other.

    Args:
        counts: the tracks of each part, with the new track.
        part: the part that got the track.
    """
    size = 1
    while size < len(counts):
        first = part // size * size
        other = first ^ size
        if sum(counts[first : first + size]) - sum(counts[other : other + size]) > 1:
            return False
        size *= 2
    return True


def id_in(part: int) -> str:
    """A new id of a stream that belongs to a part: a UUID of version 4.

    The last digits of a random UUID are counted up until the hash fits: 256 steps on average.
    """
    head, _, tail = str(uuid4()).rpartition("-")
    number = int(tail, 16)
    while part_of(stream_id := f"{head}-{number:012x}") != part:
        number = (number + 1) % _TAILS
    return stream_id


class Placement:
    """Makes the ids of new streams.

    Args:
        counts: the tracks of each part.
        chance: gives random numbers from 0 to 1.
    """

    def __init__(self, counts: Counts, chance: Callable[[], float]) -> None:
        self._counts = counts
        self._chance = chance

    def warm_up(self) -> None:
        """Read the counts, so that no stream waits for a connection. Raises `Unavailable`."""
        self._counts.read()

    def new_id(self) -> str:
        """Make an id, and count one track for it.

        Never raises: no connection fails because of its shard. Without counts the id is by chance.
        """
        part = None
        try:
            counts = self._counts.read()
            if counts is None:
                _logger.info("stream placed by chance: nothing is counted yet")
                return str(uuid4())
            part = emptiest(counts, self._chance)
            counts = self._counts.change({part: 1})
            # Another stream may have been placed at the same moment. Updates come one after the
            # other, so the later of the two sees both, and moves.
            for _ in range(_MOVES):
                if is_even(counts, part):
                    break
                counts[part] -= 1
                left, part = part, emptiest(counts, self._chance)
                counts = self._counts.change({left: -1, part: 1})
        except CallstreamError as error:
            _logger.warning("stream placed by chance, or not counted: %s", error)
        except Exception:
            _logger.exception("stream placed by chance, or not counted")
        return str(uuid4()) if part is None else id_in(part)
