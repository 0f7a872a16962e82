"""The lives of streams and calls, as data: state → event → next state.

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


type Lifecycle = Mapping[StreamState, Mapping[StreamEvent, StreamState]]

STREAM_LIFECYCLE: Final[Lifecycle] = {
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


def next_state(state: StreamState, event: StreamEvent) -> StreamState:
    """The state after an event.

    Raises:
        IllegalTransition: the table has no such step.
    """
    try:
        return STREAM_LIFECYCLE[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
