"""Posts messages to the carrier's legs, and subscribes to the marks of the call's other legs."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.dialects.events import ReturnEvent, ReturnMedia
from callstream.errors import Unavailable, Undeliverable
from callstream.relays.sinks.refusals import Refusals
from callstream.relays.sinks.sink import MarkFeed


class ReturnPackets(ReturnMedia, frozen=True, kw_only=True):
    """Several packets of a codec, for one post to each leg whose audio can be joined."""

    packets: tuple[bytes, ...]


class LegSender(Protocol):
    """Sends to the carriers' legs that a consumer's audio goes to."""

    @property
    def l16_byte_order(self) -> ByteOrder:
        """The byte order of L16, of return audio and of legs."""

    async def send_back(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool = False
    ) -> Collection[str]:
        """Send a consumer's message to the legs.

        Args:
            event: the message.
            return_format: the format of its audio.
            ends_speech: no audio follows soon, so the legs get the audio that is still held, too.

        Returns:
            The ids of streams of other calls, the other legs, that have got the message.

        Raises:
            UnusableAudio: a leg cannot play the audio, or there is no leg.
            Undeliverable: a leg never takes the message.
            Unavailable: a leg cannot be reached.
        """

    async def other_legs(self) -> Collection[str]:
        """The ids of streams of other calls that messages go to now. Raises `Unavailable`."""


class Posting:
    """Posts the messages of one run.

    Args:
        legs: the carriers' side.
        marks: brings the marks of the call's other legs.
        refusals: counts the messages that no leg gets.
        clock: time in seconds.
    """

    def __init__(
        self, legs: LegSender, marks: MarkFeed, refusals: Refusals, clock: Callable[[], float]
    ) -> None:
        self._legs = legs
        self._marks = marks
        self._refusals = refusals
        self._clock = clock
        # The streams of other legs whose marks are subscribed to.
        self._subscriptions: dict[str, asyncio.Task[None]] = {}

    async def subscribe_early(self) -> None:
        """Subscribe before the first message: the fan-out needs a moment to know.

        Marks that the run before has sent may be on their way, too.
        """
        with suppress(Unavailable):
            self._subscribe(await self._legs.other_legs())

    async def post(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool
    ) -> bool:
        """Post a message as `LegSender.send_back` does; False if a leg does not get it.

        Raises:
            UnusableAudio: a leg cannot play the audio, or there is no leg.
        """
        try:
            others = await self._legs.send_back(event, return_format, ends_speech=ends_speech)
        except (Unavailable, Undeliverable) as error:
            self._refusals.count_lost(str(error), self._clock())
            return False
        self._subscribe(others)
        return True

    def stop(self) -> None:
        """Give up the subscriptions that are being made."""
        for task in self._subscriptions.values():
            task.cancel()

    def _subscribe(self, others: Collection[str]) -> None:
        for stream_id in others:
            if stream_id not in self._subscriptions:
                task = asyncio.create_task(self._subscribe_marks(stream_id))
                self._subscriptions[stream_id] = task

    async def _subscribe_marks(self, stream_id: str) -> None:
        try:
            await self._marks.subscribe_marks(stream_id)
        except Unavailable as error:
            self._refusals.count_lost(str(error), self._clock())
