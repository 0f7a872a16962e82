"""The store of kept replies, on a DynamoDB that is made up."""

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from msgspec.structs import replace

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.call_requests import call_key
from callstream.dialogues.kept_replies import MOST_AUDIO, PART_BYTES, KeptReply, ReplyStore
from callstream.dialogues.virtual_agent import DialogueEnd, KeysWanted
from callstream.errors import UnknownCall
from callstream.identity import RelayIdentity
from tests.template import create_table
from tests.unit.items import call_item

RELAY = RelayIdentity("acme", "CA1", "r1")
PARTITION = call_key("acme", "CA1")["pk"]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        table.put(call_item("CA1"))
        yield table


def audio_items(table: DynamoTable) -> list[dict[str, Any]]:
    return table.query(PARTITION, "REPLY_AUDIO#")


@pytest.mark.parametrize(
    "reply",
    [
        KeptReply(1, 1200, b"hello"),
        KeptReply(1, 0, b""),
        KeptReply(1, 5, bytes(range(256)) * 4000, played_ms=40, is_uninterruptible=True),
        KeptReply(1, 9, b"a", end=DialogueEnd("transfer", {"a": [1.5]}, "sip:desk@example.com")),
        KeptReply(1, 9, b"a", keys=KeysWanted(4, "#"), keys_until=1_700_000_000_000, reports=3),
    ],
)
def test_store_returns_an_unfinished_reply_as_it_was_kept(
    table: DynamoTable, reply: KeptReply
) -> None:
    assert ReplyStore(table, RELAY).keep(reply) == reply
    assert ReplyStore(table, RELAY).unfinished() == [reply]
    assert ReplyStore(table, RELAY).last() == replace(reply, audio=b"")


def test_store_knows_the_replies_of_its_own_relay_in_their_order(table: DynamoTable) -> None:
    store, other = ReplyStore(table, RELAY), RelayIdentity("acme", "CA1", "r2")
    assert store.last() is None
    replies = [KeptReply(number, number, bytes([number])) for number in (2, 10, 9)]
    for reply in replies:
        store.keep(reply)
    ReplyStore(table, other).keep(KeptReply(11, 0, b""))
    assert store.unfinished() == sorted(replies, key=lambda reply: reply.number)
    last = store.last()
    assert last is not None
    assert last.number == 10


def test_store_notes_progress_and_deletes_the_audio_of_a_reply_that_is_done(
    table: DynamoTable,
) -> None:
    store = ReplyStore(table, RELAY)
    store.keep(KeptReply(1, 0, bytes(PART_BYTES + 1)))
    store.keep(KeptReply(2, 7, b"two"))
    store.note(1, 20, is_done=False)
    assert [reply.played_ms for reply in store.unfinished()] == [20, 0]
    store.note(1, 40, is_done=True)
    store.note(2, 3, is_done=True)
    assert store.unfinished() == []
    assert audio_items(table) == []
    assert store.last() == KeptReply(2, 7, b"", played_ms=3, is_done=True)


def test_store_keeps_no_audio_of_a_reply_that_is_not_played(table: DynamoTable) -> None:
    ReplyStore(table, RELAY).keep(KeptReply(1, 0, b"hello", is_done=True))
    assert audio_items(table) == []


def test_store_replaces_a_reply_that_a_run_which_died_has_kept_in_part(table: DynamoTable) -> None:
    store, longer = ReplyStore(table, RELAY), KeptReply(1, 0, bytes(PART_BYTES + 1))
    store.keep(longer)
    store.keep(shorter := KeptReply(1, 5, b"shorter"))
    assert store.unfinished() == [shorter]


def test_store_notes_progress_in_an_item_of_a_single_write_unit(table: DynamoTable) -> None:
    keys, end = KeysWanted(4, "#"), DialogueEnd("transfer", destination="+15550100")
    ReplyStore(table, RELAY).keep(KeptReply(1, 0, bytes(PART_BYTES), keys=keys, end=end))
    (head,) = table.query(PARTITION, "REPLY#")
    size = sum(len(name) + len(str(value)) for name, value in head.items())
    assert size < 1024


@pytest.mark.parametrize("is_done", [True, False])
def test_store_leaves_a_reply_done_if_a_note_comes_late(
    table: DynamoTable, *, is_done: bool
) -> None:
    store = ReplyStore(table, RELAY)
    done = store.keep(KeptReply(1, 0, b"", played_ms=90, is_done=True))
    store.note(1, 20, is_done=is_done)
    store.note(2, 20, is_done=is_done)
    assert store.last() == done


def test_store_cuts_audio_to_items_that_dynamodb_takes(table: DynamoTable) -> None:
    store = ReplyStore(table, RELAY)
    end = DialogueEnd("live_agent_handoff", {"note": "x" * 60_000})
    store.keep(KeptReply(12_345_678, 10**9, bytes(2 * PART_BYTES + 1), end=end))
    parts = [len(bytes(item["audio"])) for item in audio_items(table)]
    assert parts == [PART_BYTES, PART_BYTES, 1]
    names = sum(len(name) + len(str(value)) for name, value in audio_items(table)[2].items())
    assert PART_BYTES + names < 400 * 1024


def test_store_lets_items_expire_with_the_call(table: DynamoTable) -> None:
    ReplyStore(table, RELAY).keep(KeptReply(1, 0, b"hello"))
    items = audio_items(table) + table.query(PARTITION, "REPLY#")
    assert [item["expires_at"] for item in items] == [2_000_000_000] * 2


def test_store_refuses_a_reply_of_a_call_that_is_gone(table: DynamoTable) -> None:
    table.delete(call_key("acme", "CA1"))
    with pytest.raises(UnknownCall):
        ReplyStore(table, RELAY).keep(KeptReply(1, 0, b""))


def test_store_leaves_out_what_is_too_much_and_reports_it(
    table: DynamoTable, caplog: pytest.LogCaptureFixture
) -> None:
    end = DialogueEnd("live_agent_handoff", {"secret": "x" * 70_000})
    kept = ReplyStore(table, RELAY).keep(KeptReply(1, 0, bytes(MOST_AUDIO + 1), end=end))
    assert len(kept.audio) == MOST_AUDIO
    assert ReplyStore(table, RELAY).unfinished() == [
        replace(kept, end=DialogueEnd("live_agent_handoff"))
    ]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "secret" not in caplog.text
    assert "xx" not in caplog.text


def test_kept_reply_does_not_show_its_content() -> None:
    shown = repr(KeptReply(1, 0, b"audio", end=DialogueEnd("transfer", destination="+1555")))
    assert shown == "KeptReply(1, 5 bytes)"
