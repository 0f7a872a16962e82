"""Shares of the delivery: how many callbacks of a tenant are in flight, and how many wait."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.callbacks import shares as module
from callstream.callbacks.shares import SLOW, Shares, Slot
from callstream.ports import Table
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, 0, 5, tzinfo=UTC)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


@pytest.fixture
def shares(table: Table) -> Shares:
    return Shares(table)


def begin(shares: Shares, most: int = 3, now: datetime = NOW, tenant_id: str = "acme") -> Slot:
    slot = shares.begin(tenant_id, most, now)
    assert slot is not None
    return slot


def test_share_has_so_many_deliveries_in_flight_and_each_end_makes_room(shares: Shares) -> None:
    first, *_ = (begin(shares) for _ in range(3))

    assert shares.begin("acme", 3, NOW) is None
    begin(shares, tenant_id="other")
    shares.end(first, NOW)
    begin(shares)
    assert shares.begin("acme", 3, NOW) is None


def test_share_without_a_limit_shrinks_too_while_servers_are_slow(shares: Shares) -> None:
    for _ in range(20):
        assert shares.begin("acme", None, NOW)
    slots = [shares.begin("other", None, NOW) for _ in range(12)]
    for slot in slots:
        assert slot is not None
        shares.end(slot, NOW + SLOW)
    assert [shares.begin("other", None, NOW) is None for _ in range(3)] == [False, False, True]


def test_share_forgets_a_delivery_that_never_ends_with_its_minute(
    shares: Shares, table: Table
) -> None:
    slot = begin(shares, most=1)

    assert shares.begin("acme", 1, NOW + timedelta(seconds=54)) is None
    later = NOW + timedelta(seconds=55)
    begin(shares, most=1, now=later)
    shares.end(slot, later)  # of the minute before: no room in this one
    assert shares.begin("acme", 1, later) is None
    item = table.get(slot.key)
    assert item is not None
    assert item["expires_at"] > later.timestamp() + 60


def test_share_of_a_slow_tenant_is_two_until_its_servers_are_quick(shares: Shares) -> None:
    for _ in range(10):
        shares.end(begin(shares), NOW + SLOW)
    slots = [begin(shares) for _ in range(2)]
    assert shares.begin("acme", 3, NOW) is None

    shares.end(slots.pop(), NOW)
    slots.append(begin(shares))
    begin(shares)


def test_share_does_not_shrink_for_one_slow_delivery_in_ten(shares: Shares) -> None:
    for number in range(100):
        shares.end(begin(shares), NOW + (SLOW if number % 10 == 9 else timedelta(0)))
    for _ in range(3):
        begin(shares)


def test_share_lets_so_many_callbacks_of_a_half_day_wait(
    shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    assert [shares.wait("acme", NOW) for _ in range(3)] == [True, True, False]
    assert shares.wait("other", NOW)
    assert shares.wait("acme", NOW + timedelta(hours=12))
    shares.finish("acme", NOW + timedelta(hours=11))  # of the same half day
    assert [shares.wait("acme", NOW) for _ in range(2)] == [True, False]
