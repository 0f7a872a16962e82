"""A tenant whose servers are slow waits alone: a model of the workers that all tenants share."""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from threading import Event, Thread

from callstream.callbacks.delivery import HttpAnswer, NoAnswer
from callstream.callbacks.model import CallbackRequest, RelayCallback
from callstream.destinations import Destination
from tests.unit.callbacks.scenes import IN_FLIGHT, NOW, STATUS, TENANT, Scene, signalwire_callback

WORKERS = 50
"""As many as template.yaml allows: `MaximumConcurrency`."""
TRIP = 0.03
"""How many seconds a worker needs for the tables and the queue."""
SLOW = "https://b.example.com/slow"
TIMEOUT = 5.0


class Time:
    """Time that passes only while every worker waits; one worker runs at a time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._waiting: list[tuple[float, int, Event]] = []
        self._order = count()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        woken = Event()
        heappush(self._waiting, (self.seconds + seconds, next(self._order), woken))
        self._wake()
        woken.wait()

    def run(self, work: Callable[[], None], workers: int) -> None:
        """Let so many workers do this until each has ended."""

        def worker(begin: Event) -> None:
            begin.wait()
            try:
                work()
            finally:
                self._wake()

        threads = []
        for _ in range(workers):
            begin = Event()
            heappush(self._waiting, (self.seconds, next(self._order), begin))
            threads.append(Thread(target=worker, args=(begin,), daemon=True))
            threads[-1].start()
        self._wake()
        for thread in threads:
            thread.join(60)

    def _wake(self) -> None:
        if self._waiting:
            self.seconds, _, woken = heappop(self._waiting)
            woken.set()


class Model(Scene):
    """The queue, its workers, and the tenants' servers. Each callback is of a relay of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.worker = self.make_worker(self, self.time.now)
        self.directory.save(TENANT.model_copy(update={"tenant_id": "evil"}))
        self._order = count()
        self._queue: list[tuple[float, int]] = []
        self._queued: dict[int, tuple[RelayCallback, float, int]] = {}
        self.delays: list[float] = []
        """How many seconds each callback that was taken by a server waited for that."""
        self.dialled = 0

    def put(self, callback: RelayCallback, at: float) -> None:
        """Queue a callback at a time, in seconds."""
        number = next(self._order)
        self._queued[number] = (callback, at, 0)
        heappush(self._queue, (at, number))

    def send(self, request: CallbackRequest, _destination: Destination) -> HttpAnswer:
        if request.url == SLOW:
            self.dialled += 1
            self.time.sleep(TIMEOUT)
            raise NoAnswer("timeout")
        self.time.sleep(0.1)
        return HttpAnswer(200)

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        heappush(self._queue, (self.time.seconds + seconds, int(receipt_handle)))

    def work(self, until: Callable[[], bool]) -> None:
        """What one worker does until this is so."""
        while not until():
            if not self._queue or self._queue[0][0] > self.time.seconds:
                self.time.sleep(TRIP)
                continue
            _, number = heappop(self._queue)
            callback, queued_at, attempts = self._queued[number]
            self._queued[number] = (callback, queued_at, attempts + 1)
            self.time.sleep(TRIP)
            if self.take(callback, attempts + 1, self.time.seconds - queued_at, handle=str(number)):
                self.delays.append(self.time.seconds - queued_at)


def callback_for(tenant_id: str, number: int, url: str) -> RelayCallback:
    callback = signalwire_callback(
        relay_id=f"{tenant_id}-{number}", tenant_id=tenant_id, status_callback=url
    )
    assert callback.tenant_id == tenant_id
    return callback


def test_tenant_with_slow_servers_holds_back_no_other_tenant() -> None:
    model = Model()
    for number in range(1500):
        model.put(callback_for("evil", number, SLOW), at=max(0, number - 500) / 100)
    # While nothing is known of evil's servers, while they are being tried, and later.
    moments = (0.5, 6, 9)
    for number, at in enumerate(moments):
        model.put(callback_for("acme", number, STATUS), at=at)

    model.time.run(lambda: model.work(lambda: len(model.delays) == len(moments)), WORKERS)

    assert max(model.delays) < 2
    assert model.dialled > IN_FLIGHT
