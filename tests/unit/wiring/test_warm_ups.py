from typing import Any

import pytest

from callstream.errors import ConditionFailed, Unavailable
from callstream.tenants.rate_limits import RateLimiter
from callstream.wiring.warm_ups import CALLS_A_SECOND, has_room, warm_ups


class Table:
    """Counts requests in one second, as DynamoDB does."""

    def __init__(self) -> None:
        self.requests = 0
        self.is_down = False

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.is_down:
            raise Unavailable("dynamodb", "ReadTimeoutError")
        if self.requests >= request["ExpressionAttributeValues"][":limit"]:
            raise ConditionFailed
        self.requests += 1
        return {"requests": self.requests}


def test_deployment_has_room_for_some_calls_a_second() -> None:
    limiter = RateLimiter(Table())  # type: ignore[arg-type]

    admitted = [has_room(limiter) for _ in range(100)]

    assert admitted.count(True) == CALLS_A_SECOND.per_second
    assert admitted[:5] == [True] * 5


def test_deployment_that_cannot_count_has_no_room() -> None:
    table = Table()
    table.is_down = True

    assert not has_room(RateLimiter(table))  # type: ignore[arg-type]


@pytest.mark.parametrize("environment", [{}, {"CALLSTREAM_WARM_UP_SOURCE": ""}])
def test_nothing_is_warmed_without_a_source(environment: dict[str, str]) -> None:
    assert warm_ups(environment) is None
