"""Every other route: `connected`, `start`, `dtmf`, `mark`, `stop`, and `$default` for the rest.

All messages of clients that stream their own audio come to `$default`, audio too.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from callstream.access.websocket_events import OK, identity_of, logged, received_at, token_of
from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.warm_up_event import warmable
from callstream.calls.stream_requests import Started
from callstream.dialects.clients import ATTRIBUTE, SESSION_ATTRIBUTE
from callstream.dialects.events import Start, Stop
from callstream.frames.client_messages import read_client
from callstream.frames.publisher import read
from callstream.identity import StreamIdentity, StreamToken
from callstream.wiring.agents import agent_dispatcher
from callstream.wiring.media import publisher
from callstream.wiring.settings import ConnectionsSettings, load
from callstream.wiring.state import stream_store
from callstream.wiring.transcription_commands import transcription_starter
from callstream.wiring.warm_ups import warm_ups

_publisher = publisher(os.environ)
_streams = stream_store(os.environ)
_agents = agent_dispatcher(os.environ)
_transcriptions = transcription_starter(os.environ)
_warm_ups = warm_ups(os.environ)


def _prepare(about: Mapping[str, str]) -> None:
    """Start the functions of the promised call's agents."""
    _streams.stream("")  # opens the connection
    if about and _warm_ups is not None:
        agents = _agents.store.of_route(about["tenant_id"], about["route"], about["inbox"])
        _warm_ups.expect_relays(agent.spec.sink for agent in agents)


@warmable(_prepare)
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Take one message. Its record comes first, so that no record is lost with the state."""
    identity, token = identity_of(event), token_of(event)
    if ATTRIBUTE in token.attributes:
        _take_from_client(event, identity, token)
        return OK
    received = read(event.get("body") or "")
    _publisher.publish(identity, received_at(event), received)
    with logged("state lost", identity.stream_id):
        match received:
            case (Start() as start, str() as dialect):
                _streams.start(identity.stream_id, Started(dialect, start), clock.now())
                # Relays come last, because they need the call.
                with logged("transcription not started", identity.stream_id):
                    _transcriptions.start_waiting(
                        identity.tenant_id, start.call_id, received_at(event), clock.now()
                    )
                with logged("agents not dispatched", identity.stream_id):
                    inbox = token.attributes.get("inbox", "")
                    _agents.dispatch(identity, inbox, start, received_at(event), clock.now())
            case (Stop(), _):
                _streams.stop(identity.stream_id, clock.now())
    if isinstance(received.event, Stop):
        # Some carriers leave the connection open after `stop`; `$disconnect` then ends the stream.
        with logged("connection not closed", identity.stream_id):
            _connections().close(event["requestContext"]["connectionId"])
    return OK


def _take_from_client(event: dict[str, Any], identity: StreamIdentity, token: StreamToken) -> None:
    """Take a message of a client, whose relay answers it, and closes the connection in the end."""
    dialect, session_id = token.attributes[ATTRIBUTE], token.attributes.get(SESSION_ATTRIBUTE)
    received = read_client(dialect, event.get("body") or "", identity.stream_id, session_id)
    _publisher.publish(identity, received_at(event), received)
    if isinstance(received.event, Stop):
        with logged("state lost", identity.stream_id):
            _streams.stop(identity.stream_id, clock.now())


@cache
def _connections() -> ApiConnections:
    """The carriers' connections: most messages need none."""
    return ApiConnections(load(ConnectionsSettings, os.environ).connections_url)
