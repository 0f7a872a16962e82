"""Rate limits: what a limiter lets through, and what it leaves in the table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.errors import RateLimited
from callstream.tenants.directory import Limits
from callstream.tenants.rate_limits import Allowance, RateLimiter, windows
from tests.template import create_table

NOW = datetime(2026, 11, 21, 23, 59, 58, tzinfo=UTC)


@pytest.fixture
def limiter(monkeypatch: pytest.MonkeyPatch) -> Iterator[RateLimiter]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield RateLimiter(DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable")))


def test_limiter_admits_up_to_the_limit_in_each_second(limiter: RateLimiter) -> None:
    limits = Limits(per_second=2)

    assert limiter.admit("telnyx", "acme", limits, NOW) == Allowance(2, 1, 1)
    assert limiter.admit("telnyx", "acme", limits, NOW) == Allowance(2, 0, 1)
    with pytest.raises(RateLimited) as refused:
        limiter.admit("telnyx", "acme", limits, NOW)
    assert (refused.value.limit, refused.value.reset) == (2, 1)
    assert limiter.admit("telnyx", "acme", limits, NOW + timedelta(seconds=1)) is not None


def test_limiter_counts_surfaces_and_tenants_apart(limiter: RateLimiter) -> None:
    for surface, tenant_id in (("telnyx", "acme"), ("clerk", "acme"), ("telnyx", "other")):
        assert limiter.admit(surface, tenant_id, Limits(per_second=1), NOW) == Allowance(1, 0, 1)


def test_limiter_returns_the_tightest_allowance(limiter: RateLimiter) -> None:
    limits = Limits(per_second=10, per_day=3)

    assert limiter.admit("telnyx", "acme", limits, NOW) == Allowance(3, 2, 2)
    assert limiter.admit("telnyx", "acme", Limits(per_second=None), NOW) is None


def test_windows_expire_after_a_second_window() -> None:
    second, day = windows("telnyx", "acme", Limits(per_second=1, per_day=1), NOW)

    now = int(NOW.timestamp())
    assert second.request["ExpressionAttributeValues"][":expires_at"] == now + 2
    midnight = now - now % 86_400
    assert day.request["ExpressionAttributeValues"][":expires_at"] == midnight + 2 * 86_400
    assert day.reset == 2
