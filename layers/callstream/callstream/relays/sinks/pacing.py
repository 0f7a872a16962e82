"""When the next audio is posted to a carrier, and how much of it at once. Pure.

A consumer may send an hour of audio at once, and every post costs money. So the carrier gets audio
somewhat faster than it plays, but not far ahead. A carrier that has nothing to play gets what waits
at once; a carrier that has enough to play gets full posts of 100 ms.

A post takes its time, often longer than 20 ms plays. So the first post, too, has all that waits, up
to 100 ms: after 20 ms alone the carrier would be silent until the next post.
"""

from typing import Final

from callstream.audio.packetizer import PIECE_SECONDS

_USUAL_SECONDS: Final = 0.1
"""A post has at most so many seconds of audio, unless posts take longer than that."""
_MOST_SECONDS: Final = 0.2
"""Not more: a `clear` waits until the post is over."""
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
        self._posted_at: float | None = None
        self.most = _USUAL_SECONDS
        """How many seconds of audio the next post may have."""

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
        self._posted_at = now

    def end_post(self, now: float) -> None:
        """Note how long the last post has taken: the next one has to play for as long."""
        if self._posted_at is not None:
            took = now - self._posted_at
            self.most = min(max(took + PIECE_SECONDS, _USUAL_SECONDS), _MOST_SECONDS)
            self._posted_at = None

    def clear(self, now: float) -> None:
        """Count a `clear`: the carrier has nothing to play any more."""
        self.played_at = self._next_at = now
