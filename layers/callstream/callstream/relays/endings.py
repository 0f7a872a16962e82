"""How a run of a relay ends, and the consequences of each ending."""

from enum import Enum
from typing import NamedTuple


class Ending(Enum):
    """Why a run ends.

    If several endings come together, the first in this list counts. Wanted endings come before
    failures.
    """

    COMMAND = "command"
    """A command has stopped the relay, or the operator has disabled its tenant."""
    CONSUMER = "consumer"
    """The other side of the sink has closed on purpose."""
    CALL = "call"
    """The call is over."""
    SUCCESSOR = "successor"
    """The successor is ready."""
    REPLACEMENT = "replacement"
    """Another run has taken the relay over."""
    RESCUE = "rescue"
    """The run cannot go on, for example because it gets no records any more. Another run must."""
    OUT_OF_TIME = "out of time"
    """The run is about to be killed, and no successor is ready."""
    FAILURE = "failure"
    """The sink has failed."""

    @property
    def precedence(self) -> int:
        """The place in the list above. The ending with the lowest place counts."""
        return [*Ending].index(self)

    @property
    def is_final(self) -> bool:
        """Whether the relay is over, and not only this run."""
        return self not in {
            Ending.SUCCESSOR,
            Ending.REPLACEMENT,
            Ending.RESCUE,
            Ending.OUT_OF_TIME,
        }

    @property
    def needs_rescue(self) -> bool:
        """Whether the run starts another one that takes over from it."""
        return self in {Ending.RESCUE, Ending.OUT_OF_TIME}

    @property
    def finishes_sink(self) -> bool:
        """Whether the sink still sends the waiting messages and, if it is final, its last one."""
        return self not in {Ending.CONSUMER, Ending.REPLACEMENT, Ending.FAILURE}

    @property
    def flushes_return_path(self) -> bool:
        """Whether the carrier still gets the messages that the other side of the sink has sent."""
        return self in {Ending.CONSUMER, Ending.SUCCESSOR, Ending.RESCUE, Ending.FAILURE}


class Outcome(NamedTuple):
    """How a run has ended. `reason` says why the sink has failed; otherwise it is None."""

    ending: Ending
    reason: str | None = None
