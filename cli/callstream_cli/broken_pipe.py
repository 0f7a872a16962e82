"""The end of a command whose reader has gone, as in ``callstream tail | head``.

The system would end such a command by SIGPIPE, but SIGPIPE also comes from a socket that the other
side has closed. Therefore Python's default stays, which ignores the signal, and a failed write ends
the command with the status that a shell shows for SIGPIPE.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

STATUS: Final = 141
"""The exit status: 128 and the number of SIGPIPE."""


def end_quietly() -> None:
    """From now on, end with status 141 and no message when output cannot be written any more."""
    sys.stdout, sys.stderr = _ending(sys.stdout), _ending(sys.stderr)


def _ending(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # closed from the beginning
    return _EndingStream(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _EndingStream(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        with self._exiting():
            return super().write(text)

    def flush(self) -> None:
        with self._exiting():
            super().flush()

    @contextmanager
    def _exiting(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # The interpreter flushes once more at its exit, which must not fail too.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            sys.exit(STATUS)
