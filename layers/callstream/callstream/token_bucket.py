"""Token buckets: how often something may happen, all at once and in the long run. Pure."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Lets things happen `size` times at once, and `a_second` in the long run."""

    size: float
    a_second: float
    _level: float = field(init=False)
    _seen: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._level = self.size

    def take(self, now: float) -> bool:
        """Whether it may happen now (seconds); if so, it has."""
        earned = max(0.0, now - self._seen) * self.a_second
        self._level, self._seen = min(self.size, self._level + earned), now
        if self._level < 1:
            return False
        self._level -= 1
        return True
