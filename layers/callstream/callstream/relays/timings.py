"""The times and limits of a relay's run, as one value, so that tests can give their own."""

from dataclasses import dataclass

from callstream.relays.fan_out import CACHE_SECONDS


@dataclass(frozen=True, slots=True)
class RelayTimings:
    """How long a run waits. All fields but the two counts are in seconds."""

    # --- Looking after the run ---

    look: float = 1.0
    """So often the run looks whether the relay is stopped and whether its call has new streams."""
    looks_per_checkpoint: int = 2
    """The run writes a checkpoint at every so many looks."""
    finish_patience: float = 5.0
    """When the run ends, the sink has so long to send the messages that wait."""

    # --- Handing over ---

    hand_over: float = 60.0
    """The run calls its successor so long before its time limit."""
    successor_patience: float = 15.0
    """If a successor is not ready after so long, the run calls another one."""
    accept_poll: float = 0.1
    """So often a successor looks whether the run before has handed over."""

    # --- Streams and their records ---

    propagation: float = 2 * CACHE_SECONDS
    """After so long, every fan-out worker knows of a new subscription."""
    renewal: float = 300.0
    """A subscription is renewed after so long. API Gateway closes connections that idle for 10
    minutes."""
    without_streams: float = 10.0
    """A call without open streams is over after so long, even if no record says so."""
    delivery: float = 5.0
    """A record takes at most so long from its receipt to a relay."""
    farthest_back: float = 120.0
    """At most so many seconds before the last checkpoint are read again, if a stream was so far
    behind. The fan-out gives up a record at half that age."""

    # --- Catching up with missed records ---

    catching_up: float = 120.0
    """A run reads what it has missed for so long at most. Relays that catch up take turns at a
    shard (`callstream.relays.read_turns`): twenty at a full shard need about 90 s."""
    joining: float = 5.0
    """The same in one look, for streams that join the call or lack records: a run gives no
    heartbeat meanwhile, and is replaced after 20 s. The next look goes on."""
    batch: int = 100
    """A sink gets so many missed records at once."""
    batch_patience: float = 10.0
    """A sink has so long to send such a batch. Then the next batch follows, and the sink may drop
    audio."""
