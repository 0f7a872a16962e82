"""How the listener behaves to one fork, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from callstream.audio.formats import ByteOrder

DROPPED: Final = 1006
"""The close code that stands for a connection that is dropped without a goodbye."""

NONSENSE: Final[tuple[str | bytes, ...]] = (
    "{",
    "[]",
    '{"event": "noise"}',
    '{"event": "media"}',
    '{"event": "media", "media": {"payload": "***"}}',
    '{"event": "mark", "mark": {}}',
    b"\x00\xff\x00\xff",
)
"""What no carrier understands, each in another way."""

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that asks for a WebSocket. It may hold tokens, so it is never shown whole."""

    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """By their names in lower case."""

    @property
    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer`, as SignalWire sends it."""
        value = self.headers.get("authorization", "")
        return value[len(_BEARER) :] if value.lower().startswith(_BEARER) else None

    @property
    def auth_token(self) -> str | None:
        """The token of `x-telnyx-streaming-auth-token`."""
        return self.headers.get("x-telnyx-streaming-auth-token")

    @property
    def public_path(self) -> str:
        """The path without its query, which may be secret."""
        return self.path.partition("?")[0]

    def carries(self, token: str) -> bool:
        """Whether this is one of its tokens."""
        return any(
            compare_digest(carried.encode(), token.encode())
            for carried in (self.bearer, self.auth_token)
            if carried is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the listener does; by default it only listens. Seconds count from a fork's `start`."""

    refuse: int | None = None
    """Answer the handshake with this HTTP status instead."""
    silent: bool = False
    """Never answer the handshake."""
    require_token: str | None = field(default=None, repr=False)
    """Refuse a handshake without it with HTTP 401."""
    echo: bool = False
    """Send the inbound track's audio back."""
    play: bytes = field(default=b"", repr=False)
    """Audio to send, 8 kHz mu-law; it is converted to the fork's own codec."""
    speed: float = 1.0
    """Times real time at which that is sent; 0 is at once."""
    byte_order: ByteOrder = "big"
    """Of L16, about which carriers do not agree."""
    marks: tuple[str, ...] = ()
    """Marks to set behind the audio."""
    digits: str = ""
    """Keys to press into the call."""
    clear_after: float | None = None
    """After so many seconds, stop playing and have thrown away what waits to be played."""
    messages: tuple[str | bytes, ...] = ()
    """Messages to send as they are, `NONSENSE` for example; bytes make a binary one."""
    stall: float | None = None
    """Read nothing more for so many seconds; `math.inf` is until `Fork.resume`."""
    close_after: float | None = None
    """Close after so many seconds."""
    close_code: int = 1000
    """With this code; `DROPPED` drops the connection."""

    def refusal(self, handshake: Handshake) -> int | None:
        """The HTTP status that a handshake is refused with; None if it is not."""
        if self.refuse is not None:
            return self.refuse
        if self.require_token is not None and not handshake.carries(self.require_token):
            return 401
        return None
