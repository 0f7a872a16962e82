"""Builds the runs of transcriptions. Imports only what the deployed engine needs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, override

from botocore.session import get_session
from msgspec import to_builtins

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.callbacks.model import CallbackQueue
from callstream.calls.model import Call, MediaStream
from callstream.dialects.events import Track
from callstream.frames.record_copies import RecordCopies
from callstream.frames.records import Record
from callstream.relays.halting import TrackSummary
from callstream.relays.invocation import RelayInvocation
from callstream.relays.model import Relay
from callstream.relays.notifier import RelayNotifier, callback_of_line
from callstream.relays.run import RelayRun
from callstream.relays.sinks.conversation import Terms
from callstream.relays.sinks.conversing import ConversingSink
from callstream.relays.sinks.fork import TRACKS
from callstream.relays.sinks.transcript_lines import LineDelivery, TranscriptLines
from callstream.relays.sinks.transcription import CallBook, TranscriptionSink
from callstream.surfaces.clients import CONVERSATIONS
from callstream.tenants.directory import Tenant
from callstream.times import milliseconds
from callstream.transcription.engine import Engine
from callstream.transcription.model import TranscriptionSettings
from callstream.transcription.transcripts import KeptLine, TranscriptStore, since
from callstream.wiring.media import patient_sink
from callstream.wiring.notifier import callback_queue
from callstream.wiring.relay_runs import RelayRuns
from callstream.wiring.settings import (
    ConnectionsSettings,
    EngineSettings,
    TableSettings,
    load,
    transcribe_url,
)

if TYPE_CHECKING:
    from callstream.relays.sinks.sink import Sink


def engine(environment: Mapping[str, str]) -> Engine:
    """The engine of this deployment, whose module alone is imported."""
    settings = load(EngineSettings, environment)
    match settings.transcriber:
        case "amazon":
            from callstream.adapters.aws.transcribe import TranscribeEngine  # noqa: PLC0415

            return TranscribeEngine(get_session(), transcribe_url(environment))
        case "offline":
            from callstream.adapters.speech.engine import OfflineEngine  # noqa: PLC0415

            return OfflineEngine()
        case "none":
            raise ValueError("nothing is to be transcribed")


class TranscriptionRunFactory:
    """Makes the runs of this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._runs = RelayRuns(environment)
        self._engine = engine(environment)
        self._store = TranscriptStore(DynamoTable(load(TableSettings, environment).streams_table))
        self._callbacks = callback_queue(environment)
        frames_stream = self._runs.settings.frames_stream
        self.copies = RecordCopies("lines", lambda: patient_sink(frames_stream), time.monotonic)
        """Puts the lines on the frames stream."""
        connections = load(ConnectionsSettings, environment)
        self._connections = ApiConnections(connections.connections_url)

    def make(self, invocation: RelayInvocation, seconds: float) -> RelayRun | None:
        """Make the run that an invocation asks for; None if the relay does not wait for one.

        Args:
            invocation: which relay, and how the run starts.
            seconds: how long the run may take.
        """
        relay = self._runs.waiting(invocation)
        if relay is None or relay.sink != "transcription":
            return None
        book = RelayBook(relay, self._runs.notifier)
        lines = RelayLines(relay, book, self._store, self._callbacks, self.copies)
        tenant = self._runs.directory.tenant(relay.tenant_id)
        maker = SinkMaker(relay, tenant, book, lines, self._engine, self._runs)
        if relay.dialect is None:
            sink: Sink = maker.make(relay.transcription or TranscriptionSettings(), lines)
        else:
            always_redacts = tenant is not None and tenant.always_redacts
            terms = Terms(self._engine.languages, always_redacts)
            converses = partial(CONVERSATIONS[relay.dialect], terms=terms)
            sink = ConversingSink(self._connections, converses, maker, clock=time.time)
        return self._runs.make(relay, sink, invocation, seconds)


@dataclass(frozen=True, slots=True)
class SinkMaker:
    """Makes the sink that transcribes a relay's call; a `TranscriptionMaker`."""

    relay: Relay
    tenant: Tenant | None
    book: "RelayBook"
    lines: LineDelivery
    engine: Engine
    runs: RelayRuns

    def make(self, settings: TranscriptionSettings, lines: LineDelivery) -> TranscriptionSink:
        """Make the sink; see `callstream.relays.sinks.conversing.TranscriptionMaker`."""
        if self.tenant is not None and self.tenant.always_redacts:
            # Whoever asked: a command that asks for more is refused, an agent may be older.
            settings = settings.model_copy(update={"redaction": "redacted"})
        relay = self.relay.model_copy(update={"transcription": settings})
        byte_order = self.runs.settings.l16_byte_order
        if relay.dialect is not None:
            # Clients' dialects have L16 in the order of RFC 3551.
            byte_order = "big"
            # For the operator: how this client's audio is transcribed, and who speaks.
            stored = settings.model_dump(mode="json", exclude_none=True)
            self.runs.notifier.relays.conclude(relay, {"transcription": stored})
        vocabularies = {} if self.tenant is None else self.tenant.engine_vocabularies
        return TranscriptionSink(
            relay,
            self.engine,
            TranscriptLines(lines, relay.relay_id, TRACKS[relay.track]),
            self.book,
            clock=time.time,
            timings=self.runs.timings,
            l16_byte_order=byte_order,
            vocabulary=vocabularies.get(settings.language),
        )


@dataclass(slots=True)
class RelayBook(CallBook):
    """What the Streams table knows of a relay and its call."""

    relay: Relay
    notifier: RelayNotifier
    _call: Call | None = None
    _streams: dict[str, MediaStream | None] = field(default_factory=dict)

    @override
    def started_at(self) -> int | None:
        return None if (call := self._read()) is None else call.started_at

    @property
    def expires_at(self) -> int:
        """When the table drops the call, in seconds since 1970. Raises `Unavailable`."""
        return 0 if (call := self._read()) is None else call.expires_at

    def record(self, kept: KeptLine, now: int) -> Record:
        """A line's record, with the times of its stream. Raises `Unavailable`."""
        stream_id, line, route = kept.stream_id, kept.line, ""
        if stream_id not in self._streams:
            self._streams[stream_id] = self.notifier.streams.stream(stream_id)
        if (stream := self._streams[stream_id]) is not None:
            route, began_at = stream.route, self.started_at()
            if began_at is not None and stream.started_at is not None:
                line = since(line, max(0, stream.started_at - began_at))
        return Record(stream_id, self.relay.tenant_id, route, None, now, line)

    @override
    def stopped_at(self) -> int | None:
        relay = self.relay
        now = self.notifier.relays.get(relay.tenant_id, relay.call_id, relay.relay_id)
        return None if now is None or now.is_active else now.updated_at

    @override
    def write_summary(self, tracks: Mapping[Track, TrackSummary], seconds: int) -> None:
        summary = {**to_builtins(tracks), "seconds": seconds}
        self.notifier.relays.conclude(self.relay, {"summary": summary})

    def _read(self) -> Call | None:
        if self._call is None:
            self._call = self.notifier.streams.call(self.relay.tenant_id, self.relay.call_id)
        return self._call


@dataclass(frozen=True, slots=True)
class RelayLines(LineDelivery):
    """Where the lines of a relay go: the table, the tenant's web hook, and the frames stream."""

    relay: Relay
    book: RelayBook
    store: TranscriptStore
    callbacks: CallbackQueue
    copies: RecordCopies

    @override
    def last(self, track: Track) -> KeptLine | None:
        return self.store.last(self.relay.tenant_id, self.relay.call_id, track)

    @override
    def after(self, track: Track, number: int) -> Sequence[KeptLine]:
        return self.store.lines(self.relay.tenant_id, self.relay.call_id, track, number)

    @override
    def keep(self, kept: KeptLine) -> bool:
        relay = self.relay
        return self.store.keep(relay.tenant_id, relay.call_id, kept, self.book.expires_at)

    @override
    def send(self, kept: KeptLine, *, again: bool) -> None:
        """Queue the callback, which counts once, and put the copy on the frames stream once."""
        now, settings = clock.now(), self.relay.transcription
        is_carrier = self.relay.dialect is None  # a client gets its lines on its own connection
        if (
            is_carrier
            and settings is not None
            and (speaker := settings.speakers.get(kept.line.track))
        ):
            self.callbacks.send(callback_of_line(self.relay, speaker, kept.line, now))
        if not again:
            self.copies.put(self.book.record(kept, milliseconds(now)))
