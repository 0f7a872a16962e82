"""The keys that the person on the phone presses, until they are complete. Pure."""

from typing import Final, NamedTuple

from callstream.dialogues.virtual_agent import KeysWanted

PAUSE_SECONDS: Final = 2.0
"""After so many seconds without a key the keys are complete."""
MOST_KEYS: Final = 64
"""So many keys are complete in any case."""
MOST_WAITING: Final = 10 * MOST_KEYS
"""So many keys wait at most; others are left out. A person presses them in more than a minute."""


class Keys(NamedTuple):
    """Keys that are complete. The last was received at `until`, in milliseconds since 1970.

    `are_wanted` is whether the agent takes keys.
    """

    digits: str
    until: int
    are_wanted: bool


class _Key(NamedTuple):
    digit: str
    received_at: int


class PressedKeys:
    """The keys that wait for the agent.

    Args:
        wanted: the keys that the agent takes now; None if the agent takes no keys.
        until: the agent has got the keys that were received up to then, in milliseconds since 1970.
    """

    def __init__(self, wanted: KeysWanted | None, until: int) -> None:
        self.wanted = wanted
        self._until = self.received_at = until
        self._keys: list[_Key] = []
        self._pressed_at = 0.0

    def press(self, digit: str, received_at: int, now: float) -> bool:
        """Take a key, at a time in seconds.

        Returns:
            False if the agent has got the key before, or too many keys wait.
        """
        if received_at <= self._until or len(self._keys) >= MOST_WAITING:
            return False
        self._keys.append(_Key(digit, received_at))
        self._pressed_at = now
        self.received_at = max(self.received_at, received_at)
        return True

    def take(self, now: float, *, is_final: bool = False) -> Keys | None:
        """The keys that are complete.

        Args:
            now: the time in seconds.
            is_final: whether no key follows.
        """
        keys = self._keys[: self._complete(now, is_final=is_final)]
        del self._keys[: len(keys)]
        digits = "".join(key.digit for key in keys)
        are_wanted = self.wanted is not None
        return Keys(digits, keys[-1].received_at, are_wanted) if keys else None

    def give_back(self, keys: Keys) -> None:
        """Let keys be taken once more."""
        self._keys[:0] = [_Key(digit, keys.until) for digit in keys.digits]

    @property
    def is_empty(self) -> bool:
        """Whether no key waits."""
        return not self._keys

    def _complete(self, now: float, *, is_final: bool) -> int:
        """How many keys are complete."""
        most, finish = MOST_KEYS, ""
        if self.wanted is not None:
            most, finish = min(self.wanted.most or most, most), self.wanted.finish
        first = [key.digit for key in self._keys[:most]]
        if finish and finish in first:
            return first.index(finish) + 1
        is_over = is_final or now - self._pressed_at >= PAUSE_SECONDS
        return len(first) if is_over or len(first) == most else 0
