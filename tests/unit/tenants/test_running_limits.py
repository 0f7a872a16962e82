"""Limits on what runs, and the counts of what runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.errors import ConditionFailed, UnreadableItem
from callstream.tenants.directory import Directory, Tenant
from callstream.tenants.keys import tenant_key
from callstream.tenants.running_limits import (
    Kind,
    RunningLimits,
    build_given_back,
    build_taken,
    running_limits,
    usage,
    usage_key,
)
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


def take(table: DynamoTable, count: int, most: int | None, kind: Kind = Kind.RELAYS) -> None:
    table.transact([build_taken("acme", kind, count, most, now=NOW, expires_at=2_000_000_000)])


def test_count_has_room_for_as_many_as_the_limit_says(table: DynamoTable) -> None:
    take(table, 2, 3)
    with pytest.raises(ConditionFailed):
        take(table, 2, 3)
    take(table, 1, 3)
    with pytest.raises(ConditionFailed):
        take(table, 1, 3)
    take(table, 1, 3, Kind.STREAMS)

    assert usage(table, "acme") == {Kind.RELAYS: 3, Kind.STREAMS: 1}
    assert usage(table, "other") == {Kind.RELAYS: 0, Kind.STREAMS: 0}


def test_count_gives_back_places(table: DynamoTable) -> None:
    take(table, 3, 3)
    table.transact([build_given_back("acme", Kind.RELAYS, 2, NOW)])
    take(table, 2, 3)

    assert usage(table, "acme")[Kind.RELAYS] == 3
    item = table.get(usage_key("acme", Kind.RELAYS))
    assert item is not None
    assert item["changes"] == 3


def test_count_without_a_limit_always_has_room(table: DynamoTable) -> None:
    for _ in range(3):
        take(table, 100, None)

    assert usage(table, "acme")[Kind.RELAYS] == 300


def test_limits_of_a_tenant_are_those_that_the_directory_keeps(table: DynamoTable) -> None:
    limits = RunningLimits(open_streams=7, active_relays=None)
    tenant = Tenant(
        tenant_id="acme", name="Acme", project_id=uuid4(), callback_key_id="k", running=limits
    )
    Directory(table).save(tenant)

    assert running_limits(table, "acme") == limits
    read = Directory(table).tenant("acme")
    assert read is not None
    assert read.running == limits


@pytest.mark.parametrize("stored", [None, {}, {"a": 1}])
def test_limits_that_no_version_has_stored_are_the_defaults(
    table: DynamoTable, stored: dict[str, object] | None
) -> None:
    if stored is not None:
        table.put(tenant_key("acme") | {"running": stored})

    assert running_limits(table, "acme") == RunningLimits()


def test_limits_that_cannot_be_read_are_an_error(table: DynamoTable) -> None:
    table.put(tenant_key("acme") | {"running": {"open_streams": "many"}})

    with pytest.raises(UnreadableItem):
        running_limits(table, "acme")


@pytest.mark.parametrize("limit", [0, -1, "many"])
def test_limits_are_positive_numbers(limit: object) -> None:
    with pytest.raises(ValueError, match="open_streams"):
        Tenant.model_validate(
            {
                "tenant_id": "acme",
                "name": "Acme",
                "project_id": uuid4(),
                "callback_key_id": "k",
                "running": {"open_streams": limit},
            }
        )
