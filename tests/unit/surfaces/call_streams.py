"""What the tests of Twilio's and SignalWire's streams share."""

from typing import Any
from urllib.parse import urlencode

import pytest

from callstream.errors import Invalid
from callstream.relays.model import CallCommand, Relay
from callstream.relays.store import RelayStore
from callstream.surfaces.pipeline import Operation, Request, VendorSurface


def form_request(account: str, fields: dict[str, str], authorization: str = "") -> Request:
    """A request with a form as its body."""
    return Request(
        request_id="request",
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "authorization": authorization,
        },
        path_parameters={"AccountSid": account, "CallSid": "call"},
        event={"body": urlencode(fields)},
    )


def refused(surface: VendorSurface, operation: Operation, request: Request) -> dict[str, Any]:
    """The body of the answer to a form that is wrong."""
    with pytest.raises(Invalid) as raised:
        operation.read(request)
    response = surface.failure(raised.value, "request")
    assert isinstance(response.body, dict)
    assert response.body["status"] == response.status
    return response.body


class Recorder(RelayStore):
    """Remembers the relays that are started."""

    def __init__(self) -> None:
        self.started: list[tuple[Relay, CallCommand]] = []

    def start(self, relay: Relay, command: CallCommand, *, once: bool = False) -> bool:
        assert not once
        self.started.append((relay, command))
        return True
