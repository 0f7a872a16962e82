"""Which virtual agent takes part in a call."""

from types import SimpleNamespace
from typing import Any

import pytest

from callstream.calls.model import Call
from callstream.errors import ApiError, UnknownCall
from callstream.relays.virtual_agents import NoConnection, NoVirtualAgent, VirtualAgents
from tests.unit.items import call_item, started_stream


class Connections:
    """A store in which the connections of these ids are."""

    def __init__(self, *ids: str) -> None:
        self._ids = ids

    def for_call(self, tenant_id: str, *, inbox: str | None, account_id: str | None) -> Any:
        assert tenant_id == "acme"
        found = [each for each in (inbox, account_id) if each in self._ids]
        return SimpleNamespace(connection_id=found[0]) if found else None


def agents(*ids: str, inbox: str | None = None, is_deployed: bool = True) -> VirtualAgents:
    attributes = {} if inbox is None else {"inbox": inbox}
    streams: Any = SimpleNamespace(
        call=lambda _, call_id: Call.from_item(call_item()) if call_id == "CA1" else None,
        open_streams=lambda *_: [started_stream("s1"), started_stream("s2", attributes=attributes)],
    )
    connections: Any = Connections(*ids) if is_deployed else None
    return VirtualAgents(streams, connections)


@pytest.mark.parametrize(
    ("inbox", "ids", "found"),
    [
        (None, ["AC1"], "AC1"),
        ("support", ["AC1"], "AC1"),
        ("support", ["AC1", "support"], "support"),
    ],
)
def test_agent_is_that_of_the_calls_inbox_or_account(
    inbox: str | None, ids: list[str], found: str
) -> None:
    assert agents(*ids, inbox=inbox).connection_for("acme", "CA1") == found


@pytest.mark.parametrize(
    ("scene", "call_id", "refusal"),
    [
        (agents("AC1"), "CA2", UnknownCall),
        (agents(is_deployed=False), "CA2", UnknownCall),
        (agents(is_deployed=False), "CA1", NoVirtualAgent),
        (agents("AC2"), "CA1", NoConnection),
    ],
)
def test_call_without_an_agent_is_refused_with_the_reason(
    scene: VirtualAgents, call_id: str, refusal: type[ApiError]
) -> None:
    with pytest.raises(refusal):
        scene.connection_for("acme", call_id)
