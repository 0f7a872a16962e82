"""How long each part of the way takes: percentiles in milliseconds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from callstream_cli.demo.landing import percentile

MINTING: Final = "a media URL is asked for"
HANDSHAKE: Final = "the carrier connects"
FIRST_FRAME: Final = "a call's first frame: sent, on Kinesis"
TO_KINESIS: Final = "a frame: sent, on Kinesis"
IN_GATEWAY: Final = "a frame: at API Gateway, on Kinesis"
COMMAND: Final = "a fork: commanded, its first frame on Kinesis"
FORKED: Final = "a frame: on Kinesis, back on Kinesis through a fork"
RETURNED: Final = "return audio: sent by a consumer, taken by the carrier's connection"
ORDER: Final = (
    MINTING, HANDSHAKE, FIRST_FRAME, TO_KINESIS, IN_GATEWAY, COMMAND, FORKED, RETURNED
)  # fmt: skip
"""The hops in the order of the way."""


@dataclass(slots=True)
class Hop:
    """The times of one hop in milliseconds: of the run's first call, and of all later ones."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Hops:
    """All hops of a run."""

    of: dict[str, Hop] = field(default_factory=lambda: {name: Hop() for name in ORDER})

    def add(self, name: str, times: Iterable[float], *, first: bool = False) -> None:
        """Add times of a hop."""
        hop = self.of[name]
        (hop.first if first else hop.later).extend(times)


def statistics(times: Sequence[float]) -> Mapping[str, float] | None:
    """Count, percentiles and maximum; None if nothing was measured."""
    if not times:
        return None
    return {
        "count": len(times),
        **{f"p{percent}": round(percentile(times, percent), 1) for percent in (50, 95, 99)},
        "max": round(max(times), 1),
    }
