"""What a number of calls asks of AWS, as numbers. Pure; docs/deploy.md explains each number."""

import math
from dataclasses import dataclass
from itertools import count
from typing import Final

FRAMES_A_SECOND: Final = 50
"""Messages that a carrier sends for each track: one for each 20 ms."""
TRACKS_A_SHARD: Final = 19
"""Tracks that a shard takes: their frames and other messages are at most 1,000 records a second."""
_TRACKS_OF_OTHERS: Final = 17
"""The same if the number of shards is no power of two: streams are not quite even then."""
_FEWER_OF_TWO: Final = 2
"""So many fewer if calls have two tracks, which come to a shard together."""
SHARDS_ON_DEMAND: Final = 4
"""Shards that a stream has at first when it is on demand."""
REQUESTS_A_SECOND_OF_ONE: Final = 10
"""Invocations a second that Lambda allows for each concurrent execution of the quota."""

_POSTS_TO_A_FORK: Final = 25
_ANSWERS_OF_A_FORK: Final = 50
# A frame occupies a function for 3 to 15 ms, 50 times a second.
_BUSY_OF_A_TRACK: Final = 0.75
_BUSY_OF_A_SHARD: Final = 2
# Functions that the first frames of the day start, because none is idle.
_COLD_STARTS: Final = 30


@dataclass(frozen=True, slots=True)
class Load:
    """Calls at the same time.

    Attributes:
        calls: how many.
        tracks: tracks of each: 1 (the caller) or 2.
        forks: forks, transcriptions and virtual agents of each.
    """

    calls: int
    tracks: int
    forks: int

    @property
    def all_tracks(self) -> int:
        """Tracks of all calls."""
        return self.calls * self.tracks

    @property
    def frames(self) -> int:
        """Frames a second."""
        return self.all_tracks * FRAMES_A_SECOND

    @property
    def messages(self) -> int:
        """Messages a second of API Gateway: frames, posts to forks, and what forks answer."""
        of_fork = _POSTS_TO_A_FORK * self.tracks + _ANSWERS_OF_A_FORK
        return self.frames + self.calls * self.forks * of_fork

    @property
    def executions(self) -> int:
        """Concurrent executions of Lambda: for the frames' rate, or for what is busy at once."""
        of_shards = _BUSY_OF_A_SHARD * max(self.shards, SHARDS_ON_DEMAND)
        of_forks = self.calls * self.forks
        busy = self.all_tracks * _BUSY_OF_A_TRACK + of_forks + of_shards + _COLD_STARTS
        return math.ceil(max(self.frames / REQUESTS_A_SECOND_OF_ONE, busy))

    @property
    def shards(self) -> int:
        """Shards of the frames stream."""
        return next(number for number in count(1) if self.tracks_on(number) >= self.all_tracks)

    def tracks_on(self, shards: int) -> int:
        """Tracks of such calls that so many shards take."""
        is_power_of_two = shards.bit_count() == 1
        on_one = TRACKS_A_SHARD if is_power_of_two else _TRACKS_OF_OTHERS
        return shards * (on_one if self.tracks == 1 else on_one - _FEWER_OF_TWO)
