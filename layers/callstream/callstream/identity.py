"""Who a media connection is: what its token says, and the stream that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Use = Literal["once", "many"]


@dataclass(frozen=True, slots=True)
class StreamToken:
    """What a verified token says. `attributes` is what its endpoint wants the stream to know."""

    token_id: str
    tenant_id: str
    route: str
    use: Use
    expires_at: datetime
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """What a connection's authorizer context says: with every message, without a database read."""

    stream_id: str
    tenant_id: str
    route: str
