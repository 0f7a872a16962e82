"""A starter of relays that only records the requested runs."""

from callstream.errors import Unavailable
from callstream.identity import RelayIdentity


class Starter:
    """Records runs as (kind of run, relay id, previous run). If `down`, it does not answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.tries = 0
        self.down = False

    def start(self, relay: RelayIdentity) -> None:
        self._ask("start", relay)

    def succeed(self, relay: RelayIdentity, run_id: str) -> None:
        self._ask("succeed", relay, run_id)

    def rescue(self, relay: RelayIdentity, run_id: str) -> None:
        self._ask("rescue", relay, run_id)

    def _ask(self, what: str, relay: RelayIdentity, run_id: str | None = None) -> None:
        self.tries += 1
        if self.down:
            raise Unavailable("lambda", "Down")
        self.asked.append((what, relay.relay_id, run_id))
