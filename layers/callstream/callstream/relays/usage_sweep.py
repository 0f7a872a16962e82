"""The sweep of the counts of what runs (`callstream.tenants.running_limits`).

The counts change in the transactions that make and end things, so that a count is wrong only if an
item was lost or changed by hand. The sweep compares each count with the items that are live. The
index of live items follows the table with a delay: a count that has just changed is left for a
later round, and a count that changes meanwhile is not corrected.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from callstream.calls.store import LIVE_INDEX
from callstream.calls.stream_requests import LIVE
from callstream.errors import ConditionFailed
from callstream.ports import Item, Table
from callstream.relays.requests import LIVE_RELAY
from callstream.rounds import Allowance
from callstream.table_requests import set_request
from callstream.tenants.running_limits import USAGE, Kind
from callstream.times import from_milliseconds

EVERY_MINUTES: Final = 10
"""The minutes of the hour in which the counts are compared are multiples of this."""
SETTLED: Final = timedelta(seconds=10)
"""The index of live items knows what has changed so long ago."""

_LIVE_OF: Final = {Kind.STREAMS: LIVE, Kind.RELAYS: LIVE_RELAY}
_logger = logging.getLogger(__name__)


class Correction(StrEnum):
    """What a count needs, if it is wrong."""

    CORRECT = "correct"


@dataclass(frozen=True, slots=True)
class UsageSweep:
    """One round over all counts. `table` is the Streams table."""

    table: Table

    def is_due(self, now: datetime) -> bool:
        """Whether this round compares the counts: only few do, because that takes long."""
        return now.minute % EVERY_MINUTES == 0

    def run(self, now: datetime, allowance: Allowance) -> dict[Correction, int]:
        """Correct the counts that are wrong.

        Args:
            now: the present.
            allowance: the time to read all items. If it is too short, nothing more is corrected.

        Returns:
            How many counts were corrected, if any.

        Raises:
            Unavailable: the table cannot be read.
        """
        counts = list(self._counts())
        corrected = 0
        for kind in Kind:
            of_kind = [each for each in counts if each["sk"] == kind]
            live = list(self.table.index(LIVE_INDEX, "live", _LIVE_OF[kind]))
            if len(live) == sum(each["running"] for each in of_kind):
                continue
            running = Counter[str]()
            for key in live:
                if allowance.is_up:
                    _logger.warning("no time for the counts of what runs")
                    return _result(corrected)
                item = self.table.get({"pk": key["pk"], "sk": key["sk"]}) or {}
                if "live" in item and item.get("counted"):
                    running[item["tenant_id"]] += 1
            corrected += sum(
                self._correct(each, running[_tenant_of(each)], now) for each in of_kind
            )
        return _result(corrected)

    def _counts(self) -> Iterator[Item]:
        for key in self.table.index(LIVE_INDEX, "live", USAGE):
            item = self.table.get({"pk": key["pk"], "sk": key["sk"]})
            if item is not None:
                yield item

    def _correct(self, count: Item, running: int, now: datetime) -> bool:
        """Set a count, as it was read before what runs, to what runs; False if that is not done."""
        is_settled = now - from_milliseconds(count["changed_at"]) >= SETTLED
        if count["running"] == running or not is_settled:
            return False
        unchanged, seen = "#changes = :seen", {"seen": count["changes"]}
        key = {"pk": count["pk"], "sk": count["sk"]}
        try:
            self.table.update(set_request(key, {"running": running}, unchanged, seen))
        except ConditionFailed:
            return False
        about = {"tenant_id": _tenant_of(count)}
        was = count["running"]
        _logger.warning("count corrected: %s from %d to %d", count["sk"], was, running, extra=about)
        return True


def _result(corrected: int) -> dict[Correction, int]:
    return {Correction.CORRECT: corrected} if corrected else {}


def _tenant_of(count: Item) -> str:
    return str(count["pk"]).partition("#")[2]
