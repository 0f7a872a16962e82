"""Turns at a shard: the relays that catch up read it one after the other.

AWS allows 5 reads and 2 MB a second of a shard, all readers together, and refuses every reader that
comes when these are used up: those too that bring live audio and count records. So all relays that
catch up take turns at a shard: a read of `MOST_RECORDS` each `TURN_SECONDS`, in the order in which
they ask. That leaves 2 or 3 of the 5 reads, and at least 0.7 MB, for the others.

| pk                 | sk      | what                                                       |
|--------------------|---------|------------------------------------------------------------|
| `READS#<shard id>` | `TURNS` | `turn`: the last turn that is taken, as a number since 1970 |
"""

import math
from collections.abc import Callable
from typing import Final

from callstream.errors import ConditionFailed, Unavailable
from callstream.ports import Item, Table

TURN_SECONDS: Final = 0.5
MOST_RECORDS: Final = 1500
"""So many records are read in a turn: frames of 0.5 MB."""

_MOST_WAITING: Final = 600
"""A longer queue is not one: the turn was taken by a clock that is wrong."""
_TRIES: Final = 3
_KEPT_SECONDS: Final = 3600


class ReadTurns:
    """The turns at the shards of one stream, in the Streams table.

    Args:
        table: the Streams table.
        clock: the time in seconds since 1970.
    """

    def __init__(self, table: Table, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def take(self, shard_id: str) -> float:
        """Take the next turn that is free; returns after how many seconds it is.

        Raises:
            Unavailable: the table does not answer.
        """
        for _ in range(_TRIES):
            now = self._clock()
            turn = math.floor(now / TURN_SECONDS)
            try:
                self._table.update(_first(shard_id, turn))
            except ConditionFailed:
                pass
            else:
                return 0.0
            try:
                taken = self._table.update(_next(shard_id, turn))["turn"]
            except ConditionFailed:
                # The last turn that was taken has passed meanwhile.
                continue
            return float(max(0.0, taken * TURN_SECONDS - now))
        raise Unavailable("dynamodb", "NoTurn")


def _first(shard_id: str, turn: int) -> Item:
    """Take the present turn, if nobody has it and nobody waits."""
    update = _update(shard_id, turn, ":turn")
    update["ExpressionAttributeValues"][":absurd"] = turn + _MOST_WAITING
    return update | {
        "ConditionExpression": "attribute_not_exists(turn) OR turn < :turn OR turn > :absurd"
    }


def _next(shard_id: str, turn: int) -> Item:
    """Take the turn after the last that is taken."""
    update = _update(shard_id, turn, "turn + :one")
    update["ExpressionAttributeValues"][":one"] = 1
    return update | {"ConditionExpression": "turn >= :turn"}


def _update(shard_id: str, turn: int, value: str) -> Item:
    return {
        "Key": {"pk": f"READS#{shard_id}", "sk": "TURNS"},
        "UpdateExpression": f"SET turn = {value}, expires_at = :expires_at",
        "ExpressionAttributeValues": {
            ":turn": turn,
            ":expires_at": int(turn * TURN_SECONDS) + _KEPT_SECONDS,
        },
    }
