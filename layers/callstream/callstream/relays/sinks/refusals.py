"""Counts what a sink wants played and the carrier does not get, and limits reports of that."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Final

from callstream.dialects.events import Refusal
from callstream.token_bucket import TokenBucket

_logger = logging.getLogger(__name__)

TOO_MANY_FILES: Final = "Too many requests: one media message with MP3 a second"
UNHEARD: Final = "a mark does not come back before a clear: no audio before the mark was played"
_SLIPS: Final[Mapping[str, int]] = {TOO_MANY_FILES: 2, UNHEARD: 10}
_RELATED: Final = 10.0
"""For so many seconds after unusable audio, messages with MP3 that come too fast get one error."""


class Refusals:
    """Counts refusals, and decides which of them go to the consumer and the log."""

    def __init__(self, relay_id: str) -> None:
        self._extra = {"relay_id": relay_id}
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, TokenBucket] = {}
        self._unusable_until = float("-inf")

    def count(self, refusal: Refusal, detail: str, now: float) -> bool:
        """Count a refusal; whether it goes to the consumer."""
        self._counts[refusal] += 1
        # Slips are answered; what is wrong in principle is followed by more of its kind.
        slips, bucket = _SLIPS.get(detail, 1 if refusal == "unusable" else 10), refusal + detail
        if refusal == "unusable":
            self._unusable_until = now + _RELATED
        elif detail == TOO_MANY_FILES and now < self._unusable_until:
            slips, bucket = 1, "too_many, besides unusable"
        if not self._bucket(bucket, slips, slips / 10).take(now):
            return False
        _logger.warning("refused what the consumer sent: %s", detail, extra=self._extra)
        return True

    def count_lost(self, reason: str, now: float) -> None:
        """Count something that could not be posted."""
        self._counts["unavailable"] += 1
        if self._bucket("unavailable", 1, 0.1).take(now):
            _logger.warning("not sent back: %s", reason, extra=self._extra)

    def log_counts(self, damaged: int) -> None:
        """Log how often each refusal came, if any came, and how many frames were damaged."""
        if damaged:
            self._counts["damaged"] = damaged
        if self._counts:
            _logger.warning("not sent back: %s", dict(self._counts), extra=self._extra)

    def _bucket(self, name: str, size: float, a_second: float) -> TokenBucket:
        return self._buckets.setdefault(name, TokenBucket(size, a_second))
