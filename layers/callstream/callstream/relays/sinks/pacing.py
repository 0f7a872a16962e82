"""When the next audio is posted to a carrier, and how much of it at once. Pure.

A consumer may send an hour of audio at once, and every post costs money. So the carrier gets audio
somewhat faster than it plays, but not far ahead. A carrier that has nothing to play gets 20 ms at
once; a carrier that has enough to play gets up to 100 ms in a post.
"""

from typing import Final

_MOST_PIECES: Final = 5
"""A post has at most so many pieces of 20 ms."""
_MOST_AHEAD: Final = 20.0
"""The carrier gets at most so many seconds of audio before it plays them."""
_LITTLE: Final = 0.06
"""A carrier that has so many seconds to play can wait until the next post is full."""
_ENOUGH: Final = 0.2
"""A carrier that has so many seconds to play gets the next audio at an even pace."""
_SPEED: Final = 1.15
"""That pace, in times real time: more than 11 full posts a second."""
_SHORTEST_PAUSE: Final = 0.02


class Pacing:
    """The pace of the posts to a carrier. Times are seconds of any clock."""

    def __init__(self) -> None:
        self.played_at = 0.0
        """When the carrier will have played all audio that was posted, as far as is known."""
        self._next_at = 0.0

    def most(self, now: float) -> int:
        """How many pieces the next post may have."""
        return _MOST_PIECES if now < self.played_at else 1

    def due(self, *, is_full: bool) -> float:
        """When the next post is due.

        Args:
            is_full: whether no audio can be added to the post by waiting.
        """
        if not is_full:
            return self.played_at - _LITTLE
        return min(self.played_at - _ENOUGH, max(self._next_at, self.played_at - _MOST_AHEAD))

    def post(self, seconds: float, now: float) -> None:
        """Count a post."""
        self.played_at = max(self.played_at, now) + seconds
        self._next_at = now + max(_SHORTEST_PAUSE, seconds / _SPEED)

    def clear(self, now: float) -> None:
        """Count a `clear`: the carrier has nothing to play any more."""
        self.played_at = self._next_at = now
