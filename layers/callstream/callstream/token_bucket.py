"""Token buckets: limits on how often something happens, in a burst and in the long run. Pure."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Allows a burst of `size`, and `a_second` times a second in the long run."""

    size: float
    a_second: float
    _level: float = field(init=False)
    _seen: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._level = self.size

    def take(self, now: float) -> bool:
        """Take a token at `now` (seconds of any clock); return whether there was one."""
        earned = max(0.0, now - self._seen) * self.a_second
        self._level, self._seen = min(self.size, self._level + earned), now
        if self._level < 1:
            return False
        self._level -= 1
        return True
