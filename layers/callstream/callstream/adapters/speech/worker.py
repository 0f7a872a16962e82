"""A process that recognises one channel: `python -m callstream.adapters.speech.worker FOLDER`.

A channel has a process of its own, because all detectors of a process share one state, and because
a crash of the library must not end a relay. Messages come on standard input and go to standard
output; the process ends with its input, so when its parent dies too.
"""

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from callstream.adapters.speech import messages
from callstream.adapters.speech.channel import Channel, Spoken
from callstream.adapters.speech.moonshine import Decoder, Detector, Library, LibraryError


def main() -> None:
    """Recognise the audio of standard input."""
    # The terminal's Ctrl-C is for the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing that the library prints may come between the messages.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0) as sink:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            library = Library(Path(sys.argv[1]))
            channel = Channel(Detector(library), Decoder(library))
        except LibraryError:
            sink.write(messages.message(messages.BROKEN))
        else:
            recognise(channel, sys.stdin.buffer, sink)


def recognise(channel: Channel, source: BinaryIO, sink: BinaryIO) -> None:
    """Give audio of ``source`` to ``channel``, and results to ``sink``, until ``source`` ends."""

    def give(all_spoken: list[Spoken]) -> None:
        sink.writelines(
            messages.message(messages.SPOKEN, messages.pack_spoken(each)) for each in all_spoken
        )

    settled_ms = 0
    while received := messages.read(source):
        kind, content = received
        if kind == messages.FINISH:
            give(channel.finish())
            sink.write(messages.message(messages.FINISH))
            return
        give(channel.add(content))
        if channel.settled_ms > settled_ms:
            settled_ms = channel.settled_ms
            sink.write(messages.message(messages.SETTLED, messages.pack_time(settled_ms)))


if __name__ == "__main__":
    main()
