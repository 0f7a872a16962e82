"""The record format, as a reader in another language sees it: plain MessagePack maps."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callstream.dialects.events import Media
from callstream.errors import UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Disconnected, Record, Rejected

MEDIA = Record(
    stream_id="5d0f",
    tenant_id="acme",
    route="genagent",
    dialect="twilio",
    received_at=1_795_000_000_000,
    event=Media(sequence=5, track="inbound", chunk=4, timestamp=60, audio=b"\xff\x7f"),
)


def altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    plain = msgspec.msgpack.decode(records.encode(MEDIA))
    change(plain)
    return msgspec.msgpack.encode(plain)


def test_record_of_a_frame_survives_encoding() -> None:
    assert msgspec.msgpack.decode(records.encode(MEDIA)) == {
        "v": 1,
        "stream_id": "5d0f",
        "tenant_id": "acme",
        "route": "genagent",
        "dialect": "twilio",
        "received_at": 1_795_000_000_000,
        "event": {
            "kind": "media",
            "sequence": 5,
            "track": "inbound",
            "chunk": 4,
            "timestamp": 60,
            "audio": b"\xff\x7f",
        },
    }
    assert records.decode(records.encode(MEDIA)) == MEDIA


def test_record_of_20_ms_is_far_smaller_than_a_unit_of_kinesis() -> None:
    frame = Media(sequence=2**40, track="outbound", chunk=2**40, timestamp=2**40, audio=bytes(160))
    record = msgspec.structs.replace(MEDIA, stream_id="0" * 36, tenant_id="x" * 64, event=frame)

    assert len(records.encode(record)) < 1024 / 2


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Rejected(reason="not_json", detail="…", size=3, head=b"RIF"), "rejected"),
        (Disconnected(code=1001, reason=""), "disconnected"),
    ],
)
def test_record_of_our_own_events_survives_encoding(
    event: Rejected | Disconnected, kind: str
) -> None:
    data = records.encode(msgspec.structs.replace(MEDIA, event=event))

    assert msgspec.msgpack.decode(data)["event"]["kind"] == kind
    assert records.decode(data).event == event


def test_decoder_ignores_unknown_fields() -> None:
    plain = msgspec.msgpack.decode(records.encode(MEDIA))
    plain["new"] = plain["event"]["new"] = 1

    assert records.decode(msgspec.msgpack.encode(plain)) == MEDIA


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_a_record"),
        (b'{"v": 1}', "not_a_record"),
        (b"not even messagepack", "not_a_record"),
        (records.encode(msgspec.structs.replace(MEDIA, version=2)), "newer_version"),
        (altered(lambda record: record.update(v=2, event={"kind": "media"})), "newer_version"),
        (altered(lambda record: record["event"].update(kind="new")), "unknown_kind"),
        (altered(lambda record: record["event"].pop("audio")), "not_a_record"),
    ],
)
def test_decoder_says_why_data_are_not_a_record(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableMessage) as caught:
        records.decode(data)

    assert caught.value.reason == reason
