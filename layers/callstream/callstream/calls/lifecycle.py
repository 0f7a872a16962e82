"""The lifecycles of streams and relays, as data: state → event → next state.

API Gateway runs the functions of a connection's messages concurrently, so events arrive out of
order: a `stop` can overtake its `start`, and a disconnection can overtake both. A late `start` or
`stop` is therefore legal: it adds what the message says and leaves the state as it is. A second
`start` of a stream is not legal.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from callstream.errors import IllegalTransition


class StreamState(StrEnum):
    """The state of a media stream."""

    CONNECTED = "connected"
    STREAMING = "streaming"
    STOPPED = "stopped"
    CLOSED = "closed"


class StreamEvent(StrEnum):
    """An event in the life of a media stream."""

    START = "start"
    STOP = "stop"
    DISCONNECT = "disconnect"


class CallState(StrEnum):
    """The state of a call: active while any of its streams is open."""

    ACTIVE = "active"
    ENDED = "ended"


class RelayState(StrEnum):
    """The state of a relay."""

    REQUESTED = "requested"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FAILED = "failed"


class RelayEvent(StrEnum):
    """An event in the life of a relay."""

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
    """The state that follows a state by an event.

    Raises:
        IllegalTransition: the lifecycle has no such transition.
    """
    try:
        return lifecycle[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
