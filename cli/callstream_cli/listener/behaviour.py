"""The listener's behaviour to one fork, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder

DROPPED: Final = 1006
"""The close code for a connection that is dropped without a closing handshake."""

NONSENSE: Final[tuple[str | bytes, ...]] = (
    "{",
    "[]",
    '{"event": "noise"}',
    '{"event": "media"}',
    '{"event": "media", "media": {"payload": "***"}}',
    '{"event": "mark", "mark": {}}',
    b"\x00\xff\x00\xff",
)
"""Messages that no carrier understands, each for another reason."""

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that opens a WebSocket. It may hold tokens, so it is never shown whole."""

    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """The headers, by their names in lower case."""

    @property
    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer`, SignalWire's header; None without one."""
        value = self.headers.get("authorization", "")
        return value[len(_BEARER) :] if value.lower().startswith(_BEARER) else None

    @property
    def auth_token(self) -> str | None:
        """The token of `x-telnyx-streaming-auth-token`, Telnyx's header; None without one."""
        return self.headers.get("x-telnyx-streaming-auth-token")

    @property
    def public_path(self) -> str:
        """The path without its query, which may be secret."""
        return self.path.partition("?")[0]

    def carries(self, token: str) -> bool:
        """Whether the request has this token, in either header."""
        return any(
            compare_digest(carried.encode(), token.encode())
            for carried in (self.bearer, self.auth_token)
            if carried is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The listener's behaviour; by default, it only receives. Seconds count from `start`."""

    refuse: int | None = None
    """Answer the handshake with this HTTP status instead."""
    silent: bool = False
    """Never answer the handshake."""
    require_token: str | None = field(default=None, repr=False)
    """Refuse a handshake without this token with HTTP 401."""
    echo: bool = False
    """Send the inbound track's audio back."""
    play: bytes = field(default=b"", repr=False)
    """Audio to send, in `play_format`; the listener converts it to the format of the answers."""
    play_format: AudioFormat = PCMU_8K
    """As `callstream_cli.audio.Recording` has it: L16 is little-endian."""
    answer_format: AudioFormat | None = None
    """The format of the audio that is sent; None is the fork's own. `MP3` are whole files."""
    speed: float = 1.0
    """The speed at which `play` is sent, in times real time; 0 is at once."""
    byte_order: ByteOrder = "big"
    """The byte order of L16."""
    marks: tuple[str, ...] = ()
    """The names of marks to send behind the audio."""
    digits: str = ""
    """Keys to press into the call."""
    clear_after: float | None = None
    """After so many seconds, stop playing and send a clear."""
    messages: tuple[str | bytes, ...] = ()
    """Messages to send as they are, for example `NONSENSE`; bytes are sent as a binary message."""
    stall: float | None = None
    """Stop reading for so many seconds; `math.inf` means until `Fork.resume`."""
    close_after: float | None = None
    """Close after so many seconds."""
    close_code: int = 1000
    """The code to close with; `DROPPED` drops the connection."""

    def refusal(self, handshake: Handshake) -> int | None:
        """The HTTP status to refuse a handshake with; None to accept it."""
        if self.refuse is not None:
            return self.refuse
        if self.require_token is not None and not handshake.carries(self.require_token):
            return 401
        return None
