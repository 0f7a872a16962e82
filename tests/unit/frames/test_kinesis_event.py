"""Lambda's event of a Kinesis stream."""

import subprocess
import sys
from base64 import b64encode
from typing import Any

from callstream.frames import kinesis_event
from callstream.frames.kinesis_event import KinesisEntry, entries_by_stream, retry_from


def entry(stream_id: str, position: int) -> dict[str, Any]:
    return {
        "kinesis": {
            "partitionKey": stream_id,
            "data": b64encode(stream_id.encode()).decode(),
            "sequenceNumber": f"{position}",
            "approximateArrivalTimestamp": 1_700_000_000.5 + position,
        },
        "eventName": "aws:kinesis:record",
    }


def test_entries_are_grouped_by_stream_and_keep_their_order() -> None:
    event = {"Records": [entry("b", 1), entry("a", 2), entry("b", 3)]}

    assert entries_by_stream(event) == {
        "b": [KinesisEntry(b"b", "1", 1_700_000_001.5), KinesisEntry(b"b", "3", 1_700_000_003.5)],
        "a": [KinesisEntry(b"a", "2", 1_700_000_002.5)],
    }


def test_answer_names_the_positions_to_deliver_from() -> None:
    assert retry_from() == {"batchItemFailures": []}
    assert retry_from("7", "3") == {
        "batchItemFailures": [{"itemIdentifier": "7"}, {"itemIdentifier": "3"}]
    }


def test_event_is_read_without_any_library() -> None:
    program = f"import runpy, sys; runpy.run_path({kinesis_event.__file__!r}); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True
    )

    assert {name.partition(".")[0] for name in loaded.stdout.split()} <= {
        *sys.stdlib_module_names,
        "__main__",
    }
