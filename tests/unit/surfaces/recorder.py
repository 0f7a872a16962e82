"""A store of relays for the tests of commands."""

from callstream.relays.model import CallCommand, Relay
from callstream.relays.store import RelayStore


class Recorder(RelayStore):
    """Remembers the relays that are started."""

    def __init__(self) -> None:
        self.started: list[tuple[Relay, CallCommand]] = []

    def start(self, relay: Relay, command: CallCommand, *, once: bool = False) -> bool:
        assert not once
        self.started.append((relay, command))
        return True
