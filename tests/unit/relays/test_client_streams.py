"""Streams of clients that stream their own audio, for which there may be no room."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from callstream.errors import LimitReached
from callstream.identity import StreamIdentity
from callstream.relays.client_streams import ClientStreams
from callstream.surfaces.clients import SPECS
from callstream.tenants.running_limits import RunningLimits

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Parts:
    """A store or a starter that has no room for one of its methods."""

    def __init__(self, full: str) -> None:
        self.full = full
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def do(*_: object) -> None:
            if name == self.full:
                raise LimitReached(name, 1)
            self.done.append(name)

        return do


@pytest.mark.parametrize(("streams", "relays"), [("start", ""), ("", "start")])
def test_stream_without_room_is_closed_again(streams: str, relays: str) -> None:
    store = Parts(streams)
    clients = ClientStreams(store, Parts(relays), Parts(""))  # type: ignore[arg-type]
    identity = StreamIdentity("s1", "acme", "autotranscribe")

    with pytest.raises(LimitReached):
        clients.start(identity, SPECS["asapp"], "S1", 0, NOW, limits=RunningLimits())
    assert store.done[-1] == "disconnect"
