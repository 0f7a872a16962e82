"""The times and limits of a relay's run, as one value, so that tests can give their own."""

from dataclasses import dataclass

from callstream.relays.fan_out import CACHE_SECONDS


@dataclass(frozen=True, slots=True)
class RelayTimings:
    """How long a run waits for what. All but the two counts are in seconds."""

    # --- Looking after the run ---

    look: float = 1.0
    """Between two looks: is the relay stopped, and has its call new streams?"""
    looks_per_checkpoint: int = 2
    last_words: float = 5.0
    """For a sink to take what waits for it when the run ends."""

    # --- Handing over ---

    hand_over: float = 60.0
    """Before its time limit, a run calls its successor."""
    successor_patience: float = 15.0
    """For a successor to get ready, before another one is called."""
    accept_poll: float = 0.1
    """Between two looks for what the run before has handed over."""

    # --- Streams and their records ---

    propagation: float = 2 * CACHE_SECONDS
    """Until every fan-out worker knows of a new subscription."""
    renewal: float = 300.0
    """Until a subscription is renewed. API Gateway closes connections that idle for 10 minutes."""
    without_streams: float = 10.0
    """Until a call without open streams is over, even if no record says so."""
    delivery: float = 5.0
    """For which a record may be on its way from its receipt to a relay."""
    farthest_back: float = 120.0
    """Before its last checkpoint that are read again, if a stream was so far behind: twice the age
    at which the fan-out gives up a record."""

    # --- Catching up with what was missed ---

    batch: int = 100
    """How many missed records a sink gets at once."""
    batch_patience: float = 10.0
    """For a sink to take such a batch, before the next batch follows and audio may be dropped."""
