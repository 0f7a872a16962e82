"""What a command does when nobody reads any more what it says, as in ``callstream tail | head``.

The system would end it by SIGPIPE, but that also comes of a socket that the other side has closed.
So Python's habit of ignoring it stays, and what fails then is made into the status that a shell
shows for a command that ended so.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

NOBODY_READS: Final = 141
"""The exit status: 128 and the number of SIGPIPE."""


def ends_the_command() -> None:
    """From now on, end in silence with status 141 once nobody reads what is said."""
    sys.stdout, sys.stderr = _ending(sys.stdout), _ending(sys.stderr)


def _ending(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # closed from the beginning
    return _Ending(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Ending(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        with self._heard():
            return super().write(text)

    def flush(self) -> None:
        with self._heard():
            super().flush()

    @contextmanager
    def _heard(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # What is still to be written must not fail once more at the very end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            sys.exit(NOBODY_READS)
