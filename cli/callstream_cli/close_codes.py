"""What close codes of WebSockets mean, wherever the tools print one."""

from collections.abc import Mapping
from typing import Final

# RFC 6455, section 7.4.1, and IANA's registry of WebSocket close codes. 1000 needs no words.
_MEANINGS: Final[Mapping[int, str]] = {
    1001: "going away",
    1002: "protocol error",
    1003: "data of this kind is not accepted",
    1005: "closed without a code",
    # Also for a carrier's orderly close, where API Gateway does not report the code.
    1006: "the connection broke, or its code is not known",
    1007: "not the data that the message should have",
    1008: "refused by policy",
    1009: "message too big",
    1010: "an extension is missing",
    1011: "internal error",
    1012: "restarting",
    1013: "try again later",
    1014: "a server behind this one failed",
    1015: "TLS failed",
}


def in_words(code: int) -> str:
    """A close code, with what it means if that is known."""
    meaning = _MEANINGS.get(code)
    return f"{code} ({meaning})" if meaning else f"{code}"
