"""The lives of streams, calls and relays, as data: state → event → next state.

API Gateway runs a connection's messages concurrently, so events arrive out of order: a `stop`
can overtake its `start`, and a disconnection both. A late `start` or `stop` is therefore legal and
changes nothing but what it tells; a second `start` of a running stream is not.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from callstream.errors import IllegalTransition


class StreamState(StrEnum):
    """Where a media stream is."""

    CONNECTED = "connected"
    STREAMING = "streaming"
    STOPPED = "stopped"
    CLOSED = "closed"


class StreamEvent(StrEnum):
    """What happens to a media stream."""

    START = "start"
    STOP = "stop"
    DISCONNECT = "disconnect"


class CallState(StrEnum):
    """Where a call is: active while any of its streams is open."""

    ACTIVE = "active"
    ENDED = "ended"


class RelayState(StrEnum):
    """Where a relay is."""

    REQUESTED = "requested"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FAILED = "failed"


class RelayEvent(StrEnum):
    """What happens to a relay."""

    CONNECT = "connect"
    STOP = "stop"
    FAIL = "fail"


type Lifecycle[State: StrEnum, Event: StrEnum] = Mapping[State, Mapping[Event, State]]

STREAM_LIFECYCLE: Final[Lifecycle[StreamState, StreamEvent]] = {
    StreamState.CONNECTED: {
        StreamEvent.START: StreamState.STREAMING,
        StreamEvent.STOP: StreamState.STOPPED,
        StreamEvent.DISCONNECT: StreamState.CLOSED,
    },
    StreamState.STREAMING: {
        StreamEvent.STOP: StreamState.STOPPED,
        StreamEvent.DISCONNECT: StreamState.CLOSED,
    },
    StreamState.STOPPED: {
        StreamEvent.START: StreamState.STOPPED,
        StreamEvent.DISCONNECT: StreamState.CLOSED,
    },
    StreamState.CLOSED: {
        StreamEvent.START: StreamState.CLOSED,
        StreamEvent.STOP: StreamState.CLOSED,
    },
}


RELAY_LIFECYCLE: Final[Lifecycle[RelayState, RelayEvent]] = {
    RelayState.REQUESTED: {
        RelayEvent.CONNECT: RelayState.STREAMING,
        RelayEvent.STOP: RelayState.STOPPED,
        RelayEvent.FAIL: RelayState.FAILED,
    },
    RelayState.STREAMING: {
        RelayEvent.STOP: RelayState.STOPPED,
        RelayEvent.FAIL: RelayState.FAILED,
    },
    RelayState.STOPPED: {},
    RelayState.FAILED: {},
}


def next_state[State: StrEnum, Event: StrEnum](
    lifecycle: Lifecycle[State, Event], state: State, event: Event
) -> State:
    """The state after an event.

    Raises:
        IllegalTransition: the lifecycle has no such step.
    """
    try:
        return lifecycle[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
