"""The bytes that others rely on: Kinesis records, and every dialect's messages.

`golden/wire.json` was written once, from the events of `sample_messages.py`. A difference is a
change of a public format. An added message is a new line there; a changed line needs a new record
version.
"""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from callstream.dialects import DIALECTS
from callstream.frames.records import (
    Cleared,
    Disconnected,
    Record,
    RecordEvent,
    Rejected,
    Returned,
    decode,
    encode,
)
from tests.unit.sample_messages import FROM_CARRIER, STREAMS, TO_CARRIER

GOLDEN: dict[str, list[dict[str, str]]] = json.loads(
    (Path(__file__).parent / "golden" / "wire.json").read_text()
)
_OWN: list[tuple[str, str | None, RecordEvent]] = [
    ("rejected", None, Rejected("not_json", "bad", 3, b"bad")),
    ("disconnected", None, Disconnected(1001, "going away")),
    ("returned", None, Returned("relay-1", 7, b"\x7f\xff\x80")),
    ("cleared", None, Cleared("relay-1", 8)),
]
_EVENTS = [*((str(said), said.dialect, said.event) for said in FROM_CARRIER), *_OWN]
_RECORDS = [
    (case, Record("stream-1", "acme", "inbox", dialect, 1_700_000_000_000, event))
    for case, dialect, event in _EVENTS
]


def messages() -> list[tuple[str, str]]:
    sent = (
        (str(said), DIALECTS[said.dialect].render(said.event, STREAMS[said.dialect]))
        for said in FROM_CARRIER
        if not said.is_read_only
    )
    returned = (
        (f"to-{said}", DIALECTS[said.dialect].render_return(said.event, STREAMS[said.dialect]))
        for said in TO_CARRIER
        if not said.is_read_only
    )
    return list(chain(sent, returned))


def test_record_bytes_are_those_of_the_golden_file() -> None:
    written: list[Any] = [{"case": case, "hex": encode(record).hex()} for case, record in _RECORDS]

    assert written == GOLDEN["records"]


@pytest.mark.parametrize("index", range(len(_RECORDS)), ids=[case for case, _ in _RECORDS])
def test_golden_record_bytes_decode_to_their_event(index: int) -> None:
    golden = bytes.fromhex(GOLDEN["records"][index]["hex"])

    assert decode(golden) == _RECORDS[index][1]


def test_dialect_messages_are_those_of_the_golden_file() -> None:
    assert [{"case": case, "text": text} for case, text in messages()] == GOLDEN["messages"]
