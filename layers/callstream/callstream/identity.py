"""Who a media connection is: what its token says, and the stream that it becomes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Use = Literal["once", "many"]


@dataclass(frozen=True, slots=True)
class StreamToken:
    """What a verified token says."""

    token_id: str
    tenant_id: str
    route: str
    use: Use
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """What a connection's authorizer context says: with every message, without a database read."""

    stream_id: str
    tenant_id: str
    route: str
