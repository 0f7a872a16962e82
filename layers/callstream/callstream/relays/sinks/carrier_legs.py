"""The carriers' legs that a relay speaks to: which they are, and how to tell them something.

They are looked up now and then, and not for each piece of audio.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.transcoding import UnusableAudio, conversion
from callstream.calls.streams import StreamStore
from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnEvent, ReturnMark, ReturnMedia
from callstream.errors import CallstreamError, Inexpressible, Unavailable
from callstream.ports import Connections, Item
from callstream.relays.store import Relay

_KNOWN: Final = timedelta(seconds=1)
_at_once: Final = ThreadPoolExecutor(8)


class KnownLegs:
    """The carriers' streams that a relay sends to, as they were at most a second ago."""

    def __init__(self) -> None:
        self._legs: Sequence[Item] = ()
        self._until: datetime | None = None
        self._gone: set[str] = set()

    def legs(self, find: Callable[[], Iterable[Item]], now: datetime) -> Sequence[Item]:
        """The streams that `find` finds, but for those whose connections are gone.

        Raises:
            Unavailable: `find` does, and nothing is known from before.
        """
        if self._until is None or now >= self._until:
            try:
                self._legs = tuple(find())
            except Unavailable:
                if not self._legs:
                    raise
            self._until = now + _KNOWN
        return [leg for leg in self._legs if leg["connection_id"] not in self._gone]

    def lose(self, connection_id: str) -> None:
        """A connection is gone; perhaps there is another in its place."""
        self._gone.add(connection_id)
        self._until = None


@dataclass(frozen=True, slots=True)
class Legs:
    """The legs that a relay's consumer is heard on; blocking."""

    relay: Relay
    streams: StreamStore
    connections: Connections
    now: Callable[[], datetime]
    l16_byte_order: ByteOrder = "big"
    known: KnownLegs = field(default_factory=KnownLegs)

    def send_back(self, event: ReturnEvent, hears: AudioFormat) -> Collection[str]:
        """Pass on to the carrier what the consumer sends, its audio in that format.

        Returns:
            The streams of other calls, the other legs, that have got it.

        Raises:
            UnusableAudio: some leg cannot play it, or there is none.
            Unavailable: some leg could not be reached.
        """
        tried: dict[str, Item] = {}
        problems: list[CallstreamError] = []
        while new := [leg for leg in self._targets() if leg["connection_id"] not in tried]:
            tried |= {leg["connection_id"]: leg for leg in new}
            # One leg may be slow, and each piece has 20 ms.
            each = _at_once.map if len(new) > 1 else map
            found = each(lambda leg: self._post(leg, event, hears), new)
            problems += [problem for problem in found if problem is not None]
        if not tried and isinstance(event, ReturnMedia | ReturnMark):
            problems.append(UnusableAudio(self._no_leg))
        if problems:
            raise problems[0]
        return self._others(tried.values())

    def other_legs(self) -> Collection[str]:
        """The streams of other calls that what is sent back goes to."""
        return set() if self._legs_meant == "self" else self._others(self._targets())

    def _others(self, legs: Iterable[Item]) -> set[str]:
        return {leg["stream_id"] for leg in legs if leg["call_id"] != self.relay.call_id}

    def _post(self, leg: Item, event: ReturnEvent, hears: AudioFormat) -> CallstreamError | None:
        """Tell a leg; what went wrong, if anything did. One that has gone is not asked again."""
        try:
            if isinstance(event, ReturnMedia):
                convert = conversion(hears, format_of(leg), self.l16_byte_order)
                event = ReturnMedia(convert(event.audio))
            text = DIALECTS[leg["dialect"]].render_return(event, leg["carrier_stream_id"])
            if not self.connections.post(leg["connection_id"], text.encode()):
                self.known.lose(leg["connection_id"])
        except Inexpressible:
            return None
        except (UnusableAudio, Unavailable) as problem:
            return problem
        return None

    def _targets(self) -> Sequence[Item]:
        """The streams of the legs that shall hear it, as they were at most a second ago."""
        return self.known.legs(self._find_targets, self.now())

    def _find_targets(self) -> Iterator[Item]:
        relay, legs = self.relay, self._legs_meant
        if legs in {"self", "both"}:
            yield from self.streams.open_streams(relay.tenant_id, relay.call_id)
        if legs in {"opposite", "both"}:
            # A call with one leg has none.
            for call_id in self.streams.other_legs(relay.tenant_id, relay.call_id):
                yield from self.streams.open_streams(relay.tenant_id, call_id)

    @property
    def _no_leg(self) -> str:
        return f"the call has no such leg: stream_bidirectional_target_legs is {self._legs_meant}"

    @property
    def _legs_meant(self) -> str:
        return str(self.relay.settings.get("stream_bidirectional_target_legs", "self"))


def format_of(stream: Item) -> AudioFormat:
    """The format of a stream's audio."""
    return AudioFormat(stream["encoding"], int(stream["sample_rate"]), int(stream["channels"]))
