"""The payload of the relay function's invocations."""

import json

from callstream.identity import RelayIdentity
from callstream.relays.invocation import RelayInvocation, RunKind


def test_an_invocation_is_read_as_it_was_written() -> None:
    invocation = RelayInvocation.of(RelayIdentity("acme", "CA1", "r1"), RunKind.RESCUE, "run-1")
    event = json.loads(invocation.encode())

    assert event == {
        "tenant_id": "acme",
        "call_id": "CA1",
        "relay_id": "r1",
        "run_as": "rescue",
        "after": "run-1",
    }
    assert RelayInvocation.decode(event) == invocation
