"""One run of ``callstream listen``: the listener, its output and its files."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from rich.console import RenderableType

from callstream.frames.reader import ReadEvent, StreamOver
from callstream.frames.records import Disconnected, RecordEvent
from callstream_cli import live_display
from callstream_cli.audio import TooLongError
from callstream_cli.consoles import SafeConsole
from callstream_cli.listener import report
from callstream_cli.listener.behaviour import Behaviour
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Listener
from callstream_cli.listener.wav_files import store
from callstream_cli.plain_output import print_json
from callstream_cli.reading.tail_output import Shown, TailLines, clock_time

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C."""


class End(Enum):
    """Why a run of the listener ended; the values are exit statuses."""

    DONE = 0
    TIMED_OUT = 1
    INTERRUPTED = INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `callstream listen`, except for the listener's behaviour."""

    host: str
    port: int
    tls: bool
    forks: int | None
    timeout: float | None
    directory: Path | None
    as_json: bool
    events: bool
    shown: Shown


@dataclass
class ListenRun:
    """One run of `callstream listen`."""

    behaviour: Behaviour
    options: Options
    files: dict[int, list[Path]] = field(default_factory=dict)
    _lines: TailLines = field(init=False)
    _console: SafeConsole = field(init=False)
    _storing: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = TailLines(self.options.shown)
        # Standard output is for scripts only.
        self._console = SafeConsole(stderr=self.options.as_json or self.options.events)

    async def run(self) -> End:
        """Listen until the end, then print the report; return why the run ended."""
        options = self.options
        interrupted = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
        listener = Listener(
            self.behaviour,
            host=options.host,
            port=options.port,
            tls=options.tls,
            keep=options.directory is not None,
            watch=self._take,
        )
        async with listener:
            self._print(f"listening at {listener.url}")
            async with self._shown(listener):
                end = await self._wait(listener, interrupted)
        await asyncio.gather(*self._storing)
        self._report(listener)
        return end

    async def _wait(self, listener: Listener, interrupted: asyncio.Event) -> End:
        wanted = self.options.forks
        waiting = {
            asyncio.create_task(interrupted.wait()): End.INTERRUPTED,
            asyncio.create_task(
                listener.until(lambda listener: wanted is not None and listener.ended >= wanted)
            ): End.DONE,
        }
        done, _ = await asyncio.wait(
            waiting, timeout=self.options.timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        ends = {waiting[task] for task in done}
        if End.INTERRUPTED in ends:
            return End.INTERRUPTED
        return End.DONE if ends or wanted is None else End.TIMED_OUT

    def _shown(self, listener: Listener) -> AbstractAsyncContextManager[None]:
        if not self._console.is_terminal or self.options.events:
            return nullcontext()  # every event gets a line of its own

        def picture() -> RenderableType:
            states = [fork.state for fork in listener.forks]
            return report.picture(listener.url, states, len(listener.refused))

        return live_display.shown(self._console, picture, str)

    def _take(self, state: ForkState, event: RecordEvent) -> None:
        is_last = isinstance(event, Disconnected)
        events: Sequence[RecordEvent | StreamOver] = (
            [event, StreamOver("disconnected")] if is_last else [event]
        )
        now = round(time.time() * 1000)
        for each in events:
            if self.options.events:
                line = report.event_as_dict(state, each, now, self.options.shown)
                print_json(line)
            elif not self._console.is_terminal:
                for text in self._lines.of(ReadEvent(state.stream, each, now)):
                    self._print(f"{clock_time(now)}  {text}")
        if is_last and self.options.directory is not None:
            self._storing.append(asyncio.create_task(self._store(state, self.options.directory)))

    async def _store(self, state: ForkState, directory: Path) -> None:
        try:
            self.files[state.number] = await asyncio.to_thread(
                store, directory, state, self.behaviour.byte_order
            )
        except (OSError, TooLongError) as error:
            SafeConsole(stderr=True).print_line(f"callstream: {error}", "red")

    def _report(self, listener: Listener) -> None:
        options = self.options
        for line in self._summary(listener):
            self._print(line)
        if not options.as_json:
            return
        forks = [
            report.as_dict(
                fork.state,
                self.files.get(fork.state.number, ()),
                personal=options.shown.personal,
            )
            for fork in listener.forks
        ]
        refused = [report.refusal_as_dict(refusal) for refusal in listener.refused]
        # Behind lines of JSON, the report is one more line.
        indent = None if options.events else 2
        print_json({"forks": forks, "refused": refused}, indent=indent)

    def _summary(self, listener: Listener) -> Iterator[str]:
        for fork in listener.forks:
            yield report.summary(fork.state, self.files.get(fork.state.number, ()))
        for refusal in listener.refused:
            yield report.refusal_summary(refusal)

    def _print(self, text: str) -> None:
        self._console.print_line(text)
        sys.stdout.flush()
