"""Stops the transcription of a call at the very moment of the command."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import Struct, convert

from callstream.calls.lifecycle import RelayEvent, RelayState
from callstream.calls.store import StreamStore
from callstream.errors import NotFound
from callstream.frames import records
from callstream.frames.records import Halted, Record
from callstream.ports import Item, RecordSink
from callstream.relays.model import Relay
from callstream.relays.store import RelayStore
from callstream.relays.transcriptions import Transcription, Transcriptions
from callstream.table_requests import optimistically
from callstream.times import milliseconds
from callstream.transcription.model import Role

_logger = logging.getLogger(__name__)

_ATTEMPTS: Final = 5
# A run starts within seconds, unless Lambda is busy: together 15 s.
_LOOKS_FOR_A_RUN: Final = 75
# A run looks every second whether it is stopped; its engine then gives the last lines: 8 s in all.
_LOOKS_FOR_THE_END: Final = 40
_SECONDS_BETWEEN_LOOKS: Final = 0.2


class TrackSummary(Struct, frozen=True):
    """How much of one track was transcribed: audio in 16-bit linear PCM at 8 kHz, and lines.

    The item of a relay that has ended has `summary`: one of these for each track, and `seconds`.
    """

    audio_bytes: int = 0
    audio_ms: int = 0
    lines: int = 0


class StoppedTranscription(Struct, frozen=True):
    """A stopped transcription, and how much was transcribed since the command to start.

    `error` says why the relay has failed; None if it has not.
    """

    transcription: Transcription
    seconds: int
    sides: dict[Role, TrackSummary]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionStop:
    """Stops the transcription of calls. `pause` waits for a number of seconds."""

    transcriptions: Transcriptions
    relays: RelayStore
    streams: StreamStore
    frames: RecordSink
    pause: Callable[[float], None]

    def stop(self, tenant_id: str, call_id: str, now: datetime) -> StoppedTranscription:
        """Stop transcribing a call. Changes nothing if the transcription is stopped already.

        Audio that is received from `now` on reaches no engine: before the command counts as carried
        out, the frames stream has a `halted` for the relay. The relay is stopped, and transcribes
        what was said before. If its summary does not come within some seconds, the result has what
        is known by then.

        Raises:
            NotFound: the call was never transcribed.
            Unavailable: DynamoDB or Kinesis did not answer. The transcription is not stopped.
        """

        def attempt() -> tuple[Transcription, Relay | None, bool]:
            found = self.transcriptions.get(tenant_id, call_id)
            if found is None:
                raise NotFound("this call is not transcribed")
            relay = None
            if found.relay_id is not None:
                relay = self.relays.get(tenant_id, call_id, found.relay_id)
            if not found.is_on:
                return found, relay, False
            if relay is not None and relay.is_active:
                self._halt(relay, now)
            return self.transcriptions.stop(tenant_id, call_id, found, now), relay, True

        transcription, relay, is_new = optimistically(attempt, _ATTEMPTS)
        if relay is None:
            return StoppedTranscription(transcription, transcription.seconds, {})
        if is_new:
            self._await_end(relay, now)
        return _stopped(transcription, relay, self.relays.noted(relay))

    def _halt(self, relay: Relay, now: datetime) -> None:
        for stream in self.streams.open_streams(relay.tenant_id, relay.call_id):
            record = Record(
                stream_id=stream.stream_id,
                tenant_id=stream.tenant_id,
                route=stream.route,
                dialect=None,
                received_at=milliseconds(now),
                event=Halted(relay.relay_id),
            )
            self.frames.put(stream.stream_id, records.encode(record))

    def _await_end(self, relay: Relay, now: datetime) -> None:
        """Stop the relay, and wait until it has its summary, or is over without one.

        A relay that no run owns yet is left to its run for a while: what was said since its start
        is still to be transcribed.
        """
        self._await(relay, _LOOKS_FOR_A_RUN, lambda item: item["state"] != RelayState.REQUESTED)
        self.relays.advance(relay, RelayEvent.STOP, now)
        if "owner_run_id" in self.relays.noted(relay):
            self._await(
                relay,
                _LOOKS_FOR_THE_END,
                lambda item: not {"summary", "notified_at"}.isdisjoint(item),
            )

    def _await(self, relay: Relay, looks: int, has_come: Callable[[Item], bool]) -> None:
        for _ in range(looks):
            if has_come(self.relays.noted(relay)):
                return
            self.pause(_SECONDS_BETWEEN_LOOKS)
        _logger.warning("summary not in time", extra={"relay_id": relay.relay_id})


def _stopped(transcription: Transcription, relay: Relay, item: Item) -> StoppedTranscription:
    summary = item.get("summary", {})
    settings = relay.transcription
    speakers = settings.speakers if settings is not None else {}
    return StoppedTranscription(
        transcription=transcription,
        seconds=summary.get("seconds", transcription.seconds),
        sides={
            speaker.role: convert(summary.get(track, {}), TrackSummary)
            for track, speaker in speakers.items()
        },
        error=item.get("error"),
    )
