"""Read models of what is said on a call: the lines of its transcript, of both tracks together.

Lines hold what the redaction of their transcription lets out. They are private: never log them.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from callstream.calls.store import StreamStore
from callstream.console.views import CallView, View
from callstream.dialects.events import TRACKS, Track
from callstream.relays.model import Relay
from callstream.relays.store import RelayStore
from callstream.times import from_milliseconds
from callstream.transcription.model import Role, Speaker
from callstream.transcription.transcripts import KeptLine, TranscriptStore


class WordView(View):
    """A word of a line, with the punctuation before and after it."""

    text: str
    start_ms: int
    end_ms: int
    before: str
    after: str
    confidence: float | None


class LineView(View):
    """A line: what one speaker has said until a pause.

    Times in milliseconds count from the start of the call. `at` is the time of day at which the
    line begins. `unredacted` is there if the transcription was to give both texts.
    """

    call_id: str
    stream_id: str
    relay_id: str
    track: Track
    number: int
    role: Role | None
    external_id: str | None
    transcript_id: str | None
    at: datetime
    start_ms: int
    end_ms: int
    language: str
    text: str
    unredacted: str | None
    words: list[WordView]

    @property
    def speaker(self) -> str:
        """The role of the speaker if that is known, otherwise the track."""
        return self.role or self.track


class TranscriptReader:
    """Reads the transcript of a call as it grows. No line is read twice.

    Every method raises `Unavailable` if the table cannot be read, and `UnreadableItem` if an item
    is of another version.

    Args:
        streams: the streams and calls.
        relays: the relays that transcribe.
        transcripts: the lines.
        call: the call.
        of_session: whether to read all legs of the call's session.
    """

    def __init__(
        self,
        streams: StreamStore,
        relays: RelayStore,
        transcripts: TranscriptStore,
        call: CallView,
        *,
        of_session: bool = False,
    ) -> None:
        self._streams = streams
        self._relays = relays
        self._transcripts = transcripts
        self._call = call
        self._session_id = call.session_id if of_session else None
        # By call and track.
        self._read: dict[tuple[str, Track], int] = {}
        # By call.
        self._began: dict[str, datetime] = {}
        # By relay.
        self._speakers: dict[str, dict[Track, Speaker]] = {}

    def new_lines(self) -> list[LineView]:
        """The lines that were not read before, by the times at which they begin."""
        lines = [line for call_id in self._call_ids() for line in self._new_of(call_id)]
        # Only now: if the table does not answer half-way, all of them are read again.
        self._read |= {(line.call_id, line.track): line.number for line in lines}
        return sorted(lines, key=lambda line: (line.at, line.call_id, line.track, line.number))

    def failure(self) -> str | None:
        """Why the calls' latest transcription that failed has failed; None if none has."""
        failed = [
            relay
            for each in self._call_ids()
            for relay in self._transcribing(each)
            if relay.error is not None
        ]
        return max(failed, key=lambda relay: relay.updated_at).error if failed else None

    def has_ended(self) -> bool:
        """Whether all calls have ended. They may still be transcribed."""
        calls = (self._streams.call(self._call.tenant_id, each) for each in self._call_ids())
        return not any(call is not None and call.is_active for call in calls)

    def is_over(self) -> bool:
        """Whether all calls have ended, and nothing transcribes them any more."""
        return self.has_ended() and not any(
            relay.is_active for each in self._call_ids() for relay in self._transcribing(each)
        )

    def _call_ids(self) -> Iterable[str]:
        """The call, or the legs of its session, which may become more."""
        if self._session_id is None:
            return [self._call.call_id]
        return self._streams.legs(self._call.tenant_id, self._session_id)

    def _new_of(self, call_id: str) -> Iterator[LineView]:
        for track in TRACKS:
            read = self._read.get((call_id, track), 0)
            for kept in self._transcripts.lines(self._call.tenant_id, call_id, track, read):
                yield self._view(call_id, kept)

    def _view(self, call_id: str, kept: KeptLine) -> LineView:
        line = kept.line
        if line.relay_id not in self._speakers:
            relays = self._transcribing(call_id)
            found = {relay.relay_id: _speakers(relay) for relay in relays}
            self._speakers |= {line.relay_id: {}} | found
        speaker = self._speakers[line.relay_id].get(line.track)
        return LineView(
            call_id=call_id,
            stream_id=kept.stream_id,
            relay_id=line.relay_id,
            track=line.track,
            number=line.number,
            role=speaker.role if speaker else None,
            external_id=speaker.external_id or None if speaker else None,
            transcript_id=speaker.transcript_id if speaker else None,
            at=self._beginning(call_id) + timedelta(milliseconds=line.start_ms),
            start_ms=line.start_ms,
            end_ms=line.end_ms,
            language=line.language,
            text=line.text,
            unredacted=line.unredacted,
            words=[WordView.model_validate(word) for word in line.words],
        )

    def _beginning(self, call_id: str) -> datetime:
        """When a call started. All of its streams are on one timeline from then on."""
        if call_id not in self._began:
            call = self._streams.call(self._call.tenant_id, call_id)
            began = self._call.started_at if call is None else from_milliseconds(call.started_at)
            self._began[call_id] = began
        return self._began[call_id]

    def _transcribing(self, call_id: str) -> list[Relay]:
        relays = self._relays.relays(self._call.tenant_id, call_id)
        return [relay for relay in relays if relay.transcription is not None]


def _speakers(relay: Relay) -> dict[Track, Speaker]:
    return relay.transcription.speakers if relay.transcription else {}
