"""The stored connections of tenants: which belongs to a call, and what may be in them."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import ValidationError

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.dialogues.connections import AgentConnection, ConnectionRecord, ConnectionStore
from callstream.errors import ConditionFailed, Forbidden
from tests.template import create_table


def connection(connection_id: str, tenant_id: str = "acme", **fields: Any) -> AgentConnection:
    usual = {"project_id": "pizza-1", "key_version": "v1"}
    return AgentConnection(tenant_id=tenant_id, connection_id=connection_id, **{**usual, **fields})


def record(stored: AgentConnection) -> ConnectionRecord:
    return ConnectionRecord(stored.tenant_id, stored.connection_id, connection=stored)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        table = DynamoTable(create_table(boto3.client("dynamodb"), "DirectoryTable"))
        for tenant in ("acme", "acm", "other"):
            table.put({"pk": f"TENANT#{tenant}", "sk": "TENANT"})
        yield table


@pytest.fixture
def store(table: DynamoTable) -> ConnectionStore:
    return ConnectionStore(table)


def test_connection_is_read_as_it_was_stored(store: ConnectionStore) -> None:
    stored = connection(
        "1714376719458109299",
        api="cx",
        conversation_profile_id="a-VMHLWzTmKjiJw5S6O0-w",
        location="europe-west2",
        environment="development",
        language="de-DE",
    )
    store.write(record(stored), "r1")

    assert store.get("acme", "1714376719458109299") == stored
    assert store.all("acme") == [stored]
    # Of others nothing is found, whatever their ids have in common.
    assert store.all("acm") == store.all("other") == []
    assert store.get("other", "1714376719458109299") is None


def test_call_has_the_connection_of_its_inbox_then_of_its_account_then_the_only_one(
    store: ConnectionStore,
) -> None:
    def found(**call: str | None) -> str | None:
        chosen = store.for_call("acme", **call)
        return None if chosen is None else chosen.connection_id

    store.write(record(connection("x", "other")), "r1")
    assert found(inbox="x", account_id="x") is None

    store.write(record(connection("inbox-123")), "r1")
    assert found() == found(inbox="another", account_id="AC1") == "inbox-123"

    store.write(record(connection("AC1")), "r1")
    assert found(inbox="inbox-123", account_id="AC1") == "inbox-123"
    assert found(inbox="another", account_id="AC1") == "AC1"
    assert found() is None
    assert found(inbox="", account_id="AC2") is None


def test_store_does_not_overwrite_what_another_writer_has_changed(store: ConnectionStore) -> None:
    new = record(connection("c1"))
    read = store.write(new, "r1")
    store.write(read, "r2")

    for stale in (new, read, ConnectionRecord("acme", "c1", revision="r1")):
        with pytest.raises(ConditionFailed):
            store.write(stale, "r3")
    assert store.record("acme", "c1").revision == "r2"


def test_store_takes_no_connection_of_a_tenant_that_is_gone(
    store: ConnectionStore, table: DynamoTable
) -> None:
    kept = store.write(record(connection("c1")), "r1")
    table.delete({"pk": "TENANT#acme", "sk": "TENANT"})

    with pytest.raises(Forbidden):
        store.write(kept, "r2")
    # What is left of the tenant can be removed.
    store.write(ConnectionRecord("acme", "c1", revision="r1"), "r2")
    assert store.records("acme") == []


GOOD: dict[str, list[str]] = {
    "location": ["global", "us", "us-central1", "europe-west2", "northamerica-northeast1"],
    "environment": ["draft", "-", "production_2", "9a8b7c6d-0000-4000-8000-000000000000"],
    "conversation_profile_id": ["a-VMHLWzTmKjiJw5S6O0-w", "x" * 100],
    "project_id": ["pizza-1", "example.com:pizza-1", "p" * 63],
    "language": ["en-US", "de", "fil-PH", "zh-Hant-TW"],
    "connection_id": ["1714376719458109299", "inbox-123", "a:b", "x" * 128],
}
BAD: dict[str, list[str]] = {
    "location": [
        "",
        "evil.example.com/",
        "evil.example.com#",
        "us-central1.evil.com",
        "user@host",
        "-us",
        "us-",
        "US",
        "us\n",
        "us central1",
        "us:443",
        "u" * 41,
        "ä",
    ],
    "environment": ["", "a/b", "../agent", "a b", "a\n", "x" * 101, "é"],
    "conversation_profile_id": ["", "projects/p/conversationProfiles/x", "a.b", "x" * 101],
    "project_id": ["", "Pizza", "pizza/locations/us", "1pizza", "pizza-", "a:b:c", "p" * 64],
    "language": ["", "english", "en_US", "en-US\n", "e"],
    "connection_id": ["", "a/b", "a b", "a=b", "a\x00", "a\n", "x" * 129, "ü", "a#b"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in GOOD.items() for value in values]
)
def test_connection_takes(field: str, value: str) -> None:
    fields = {"connection_id": "c1", field: value}

    assert getattr(connection(**fields), field) == value


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_connection_refuses(field: str, value: str) -> None:
    fields = {"connection_id": "c1", field: value}

    with pytest.raises(ValidationError):
        connection(**fields)


def test_connection_of_cx_needs_a_profile() -> None:
    with pytest.raises(ValidationError, match="needs a conversation profile"):
        connection("c1", api="cx")
