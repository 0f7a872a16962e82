"""What a running relay works with."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from callstream.adapters import clock, sockets
from callstream.adapters.callbacks import callback_queue
from callstream.adapters.connections import ApiConnections
from callstream.adapters.names import resolve
from callstream.adapters.starter import starter
from callstream.adapters.tables import DynamoTable, stream_store
from callstream.destinations import ForbiddenDestination, UnknownHost, vet
from callstream.directory import Directory
from callstream.lifecycle import RelayState
from callstream.relay_office import Office
from callstream.relaying import Consumer, DialFailed, RelayPorts
from callstream.relays import Relay, RelayStore
from callstream.settings import RelaySettings, is_local, load

# How each vendor's contract lets a consumer be addressed, and how it proves who calls.
_SCHEMES: Final = {"telnyx": {"ws", "wss"}, "signalwire": {"wss"}}


def _headers(relay: Relay) -> dict[str, str]:
    if relay.auth_token is None:
        return {}
    if relay.surface == "telnyx":
        return {"x-telnyx-streaming-auth-token": relay.auth_token}
    return {"Authorization": f"Bearer {relay.auth_token}"}


class RelayRoom:
    """What all relays of this process have in common."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        settings = load(RelaySettings, environment)
        self._settings = settings
        self._streams = stream_store(environment)
        self._table = DynamoTable(settings.streams_table)
        self._directory = Directory(DynamoTable(settings.directory_table))
        self._starter = starter(environment)
        self._callbacks = callback_queue(environment)
        self._local = is_local(environment)
        self._connections = ApiConnections(settings.connections_url)

    def ports(self, event: Mapping[str, Any], seconds: float) -> RelayPorts | None:
        """What a relay works with; None if there is none that waits to be run.

        Args:
            event: what the starter says.
            seconds: how long the run may take.
        """
        store = RelayStore(self._table)
        relay = store.get(event["tenant_id"], event["call_id"], event["relay_id"])
        waits_in = RelayState.STREAMING if event["successor"] else RelayState.REQUESTED
        if relay is None or relay.state is not waits_in:
            return None
        office = Office(
            relay=relay,
            relays=store,
            streams_of=self._streams,
            directory=self._directory,
            connections=self._connections,
            starter=self._starter,
            callbacks=self._callbacks,
            now=clock.now,
        )
        return RelayPorts(
            dial=lambda: self._dial(relay),
            open_feed=lambda: sockets.open_feed(self._settings.relay_url),
            office=office,
            make_fork=office.fork,
            clock=time.time,
            seconds=seconds,
        )

    async def _dial(self, relay: Relay) -> Consumer:
        local, url = self._local, relay.url or ""
        schemes = _SCHEMES[relay.surface]
        try:
            destination = await asyncio.to_thread(vet, url, schemes, resolve, local=local)
        except ForbiddenDestination:
            raise DialFailed("invalid_url") from None
        except UnknownHost:
            raise DialFailed("unknown_host") from None
        return await sockets.dial(url, destination, _headers(relay), trust_any=local)
