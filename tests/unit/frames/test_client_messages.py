"""A client's message becomes an event of its dialect, whatever it is."""

import json

import pytest

from callstream.dialects import DIALECTS
from callstream.dialects.clients import CLIENTS
from callstream.dialects.events import Stop
from callstream.frames import records
from callstream.frames.client_messages import read_client
from callstream.frames.records import Record, Rejected


@pytest.mark.parametrize("body", ["", "\ud800", "{}", json.dumps({"event": "start"})])
def test_unreadable_message_is_rejected_in_its_dialect(body: str) -> None:
    received = read_client("asapp", body, "stream-1", None)

    assert isinstance(received.event, Rejected)
    assert received.dialect == "asapp"
    record = Record("stream-1", "acme", "autotranscribe", "asapp", 1, received.event)
    assert records.decode(records.encode(record)) == record


def test_message_is_read_by_its_dialect() -> None:
    assert read_client("asapp", '{"message": "finishStream"}', "s", None) == (Stop(None), "asapp")


def test_clients_dialects_are_no_carriers() -> None:
    assert not CLIENTS.keys() & DIALECTS.keys()
