"""A client's messages as the gateway takes them: audio as text, and all of them numbered. Pure."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Final

_SAMPLE_BYTES: Final = 2
_BYTES_A_MS: Final = 16
_GATHERED: Final = 100 * _BYTES_A_MS
_LONGEST: Final = 1000 * _BYTES_A_MS
"""A message with so much audio is in one frame of 32 KB, as API Gateway wants it."""


class Numbering:
    """The messages of one client. What its methods return is sent in that order."""

    def __init__(self) -> None:
        self._sent = 0
        self._audio = bytearray()
        self._at = 0

    @property
    def has_audio(self) -> bool:
        """Whether audio waits to be sent."""
        return len(self._audio) >= _SAMPLE_BYTES

    def take(self, message: str | bytes) -> list[str]:
        """Take a message: audio, which waits until it is 100 ms, or text, which comes after it."""
        if isinstance(message, str):
            return [*self.flush(), self._with_number(message)]
        self._audio += message
        return self.flush() if len(self._audio) >= _GATHERED else []

    def flush(self) -> list[str]:
        """The audio that waits, except for half a sample, which the next message completes."""
        return [*self._messages()]

    def _messages(self) -> Iterator[str]:
        while self.has_audio:
            size = min(len(self._audio) // _SAMPLE_BYTES * _SAMPLE_BYTES, _LONGEST)
            payload = b64encode(self._audio[:size]).decode()
            del self._audio[:size]
            self._sent += 1
            message = {"message": "audio", "sequence": self._sent, "payload": payload}
            yield _written(message | {"timestamp": self._at // _BYTES_A_MS})
            self._at += size

    def _with_number(self, text: str) -> str:
        """A control message with its number; what is none stays, and the gateway answers it."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if not isinstance(message, dict):
            return text
        self._sent += 1
        return _written(message | {"sequence": self._sent})


def _written(message: object) -> str:
    return json.dumps(message, separators=(",", ":"))
