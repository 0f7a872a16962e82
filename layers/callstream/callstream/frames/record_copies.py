"""Records of what relays put out, for the frames stream: the whole story is there.

The records are copies. They never delay a relay, and a failure costs the copy alone.
"""

import logging
from collections.abc import Callable
from queue import Full, Queue
from threading import Lock, Thread
from typing import Final

from callstream.errors import Unavailable
from callstream.frames import records
from callstream.frames.records import Record
from callstream.ports import RecordSink
from callstream.token_bucket import TokenBucket

_MOST_WAITING: Final = 500
"""At 15 posts a second: half a minute of an outage of Kinesis."""
_LINES_A_SECOND: Final = 0.1

_logger = logging.getLogger(__name__)


class RecordCopies:
    """Puts records on the frames stream, one by one, in a thread of its own.

    Args:
        what: what the records have, in the plural, for the log.
        open_frames: makes the client of the frames stream; called in that thread.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, what: str, open_frames: Callable[[], RecordSink], clock: Callable[[], float]
    ) -> None:
        self.lost = 0
        """Records that Kinesis has not got."""
        self._what = what
        self._open_frames = open_frames
        self._clock = clock
        self._waiting: Queue[Record] = Queue(_MOST_WAITING)
        self._thread: Thread | None = None
        self._starting = Lock()
        self._lines = TokenBucket(1, _LINES_A_SECOND)

    def put(self, record: Record) -> None:
        """Put a record on the frames stream soon. Never waits or raises."""
        # Several threads may put: the posts to several legs are made in a thread each.
        with self._starting:
            if self._thread is None:
                # A daemon: a process may end with it.
                self._thread = Thread(target=self._work, name="record-copies", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._lose(record, "too many wait")

    def flush(self, patience: float) -> None:
        """Wait until the records are put, for at most so many seconds."""
        waiting = self._waiting
        with waiting.all_tasks_done:
            waiting.all_tasks_done.wait_for(lambda: not waiting.unfinished_tasks, patience)

    def _work(self) -> None:
        frames: RecordSink | None = None
        while True:
            record = self._waiting.get()
            try:
                frames = frames or self._open_frames()
                frames.put(record.stream_id, records.encode(record))
            except Unavailable as refused:
                self._lose(record, str(refused))
            except Exception:  # without this thread no record would be put any more
                _logger.exception("%s are not on the frames stream", self._what)
                self.lost += 1
            finally:
                self._waiting.task_done()

    def _lose(self, record: Record, why: str) -> None:
        self.lost += 1
        if self._lines.take(self._clock()):
            extra = {"stream_id": record.stream_id, "lost": self.lost}
            _logger.warning("%s are not on the frames stream: %s", self._what, why, extra=extra)
