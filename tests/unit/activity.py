"""A deployment with calls, for the tests of views and of the commands that show them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.counters import Landed, StreamCounters
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started
from callstream.dialects.events import Media, Start
from callstream.frames.records import Record, Rejected, Transcript
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.relays.model import CallCommand
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Directory, Tenant
from callstream.times import milliseconds
from callstream.transcription.transcripts import KeptLine, TranscriptStore
from tests.relays import make_relay
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NUMBERS = ("+15550100", "+15550199")


class Deployment:
    """The tables of a deployment in which calls are made."""

    def __init__(self) -> None:
        dynamodb = boto3.client("dynamodb")
        self.table = DynamoTable(create_table(dynamodb, "StreamsTable"))
        self.directory = Directory(DynamoTable(create_table(dynamodb, "DirectoryTable")))
        self.outputs = {
            "StreamsTableName": "StreamsTable",
            "DirectoryTableName": "DirectoryTable",
        }
        self.streams = StreamStore(self.table, timedelta(days=30))

    def tenant(self, tenant_id: str) -> None:
        self.directory.save(
            Tenant(
                tenant_id=tenant_id,
                name=tenant_id,
                project_id=uuid4(),
                callback_key_id=tenant_id,
                routes=frozenset(),
            )
        )

    def stream(self, name: str, call_id: str | None = None, **fields: Any) -> None:
        """Connect a stream so many `minutes` after `NOW` and, with a call, start it."""
        tenant_id, minutes = fields.get("tenant_id", "acme"), fields.get("minutes", 0)
        now = NOW + timedelta(minutes=minutes)
        identity = StreamIdentity(name, tenant_id, "genagent")
        attributes = {"from": NUMBERS[0]}
        token = StreamToken("t", tenant_id, "genagent", "many", now, attributes)
        self.streams.open(identity, token, f"c-{name}", now)
        if call_id is not None:
            start = Start(
                sequence=1,
                carrier_stream_id=f"MZ-{name}",
                call_id=call_id,
                account_id="AC1",
                tracks=("inbound",),
                format=PCMU_8K,
                session_id=fields.get("session_id"),
                from_number=NUMBERS[0],
                to_number=NUMBERS[1],
            )
            self.streams.start(name, Started("telnyx", start), now)

    def count(self, name: str) -> None:
        """Count three frames, three missing numbers, a repeat, and an unreadable message."""
        at = milliseconds(NOW)
        events = [
            Start(1, "MZ", "CA", "AC", ("inbound",), PCMU_8K),
            Media(2, "inbound", 1, 0, bytes(160)),
            Media(2, "inbound", 1, 0, bytes(160)),
            Rejected("not_json", "", 1, b""),
            Media(6, "inbound", 5, 80, bytes(160)),
            # A frame that has waited long enough is counted with the next frame that comes.
            Media(7, "inbound", 6, 100, bytes(160)),
        ]
        landed = [
            Landed(Record(name, "acme", "genagent", "twilio", at + n, event), str(n), n * 3)  # type: ignore[arg-type]
            for n, event in enumerate(events, start=1)
        ]
        StreamCounters(self.table).count(name, landed)

    def relay(self, call_id: str, relay_id: str, **fields: Any) -> None:
        fields = {"url": f"wss://secret.example.com/{NUMBERS[0]}"} | fields
        relay = make_relay(
            relay_id,
            call_id=call_id,
            handshake_headers={"Authorization": "Bearer secret-token"},
            parameters={"number": NUMBERS[1]},
            track="both_tracks",
            created_at=milliseconds(NOW),
            updated_at=milliseconds(NOW),
            **fields,
        )
        RelayStore(self.table).start(relay, CallCommand("acme", call_id, NOW))

    def line(self, stream_id: str, call_id: str, line: Transcript) -> None:
        """Keep a line of a transcript."""
        kept = KeptLine(stream_id, line)
        assert TranscriptStore(self.table).keep("acme", call_id, kept, 2_000_000_000)

    def change(self, key: Item, **attributes: Any) -> None:
        """Give an item these attributes."""
        item = self.table.get(key)
        assert item is not None
        self.table.put(item | attributes)
