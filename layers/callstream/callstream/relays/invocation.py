"""The payload of the relay function: which relay, and how the run starts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import msgspec
from msgspec import Struct

from callstream.identity import RelayIdentity


class RunKind(StrEnum):
    """How a run of a relay starts."""

    FIRST = "first"
    SUCCESSOR = "successor"
    """The run before is near its time limit, and hands over."""
    RESCUE = "rescue"
    """The run before has died, or has lost its records."""


class RelayInvocation(Struct, frozen=True):
    """A request for one run of a relay. `after` is the id of the run before; None for the first."""

    tenant_id: str
    call_id: str
    relay_id: str
    run_as: RunKind
    after: str | None = None

    @classmethod
    def of(cls, relay: RelayIdentity, run_as: RunKind, after: str | None = None) -> Self:
        """The request for a run of this relay."""
        return cls(relay.tenant_id, relay.call_id, relay.relay_id, run_as, after)

    @classmethod
    def decode(cls, event: Mapping[str, Any]) -> Self:
        """Read a Lambda event. Raises `msgspec.ValidationError`."""
        return msgspec.convert(event, cls)

    def encode(self) -> bytes:
        """The payload of an invocation."""
        return msgspec.json.encode(self)
