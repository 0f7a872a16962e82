"""Read models of what goes on in a deployment: streams with their counters, calls, relays.

`callstream.console.transcripts` has those of what is said.

For the operator's tool, the web console and dashboards. Views have no phone numbers, and nothing
that tenants and carriers send along: attributes, parameters, URLs and tokens stay in the table.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from callstream.calls.lifecycle import CallState, RelayState, StreamState
from callstream.calls.model import Call, MediaStream
from callstream.calls.store import StreamStore
from callstream.dialects.events import TRACKS, Track, Tracks
from callstream.dialogues.model import DialogueSettings
from callstream.identity import SinkKind
from callstream.relays.model import Relay
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Surface
from callstream.times import from_milliseconds
from callstream.transcription.model import Redaction, Role, Speaker
from callstream.transcription.transcripts import TranscriptStore


def _time(value: object) -> object:
    return from_milliseconds(value) if isinstance(value, int) else value


Time = Annotated[datetime, BeforeValidator(_time)]
"""A time in UTC, made from the tables' milliseconds since 1970."""
Ids = Annotated[list[str], BeforeValidator(sorted)]


class View(BaseModel):
    """The base of all views."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class StreamView(View):
    """A media stream and its counters (`MediaStream` says what each of them means)."""

    stream_id: str
    tenant_id: str
    route: str
    state: StreamState
    call_id: str | None
    session_id: str | None
    carrier_stream_id: str | None
    dialect: str | None
    tracks: list[str]
    encoding: str | None
    sample_rate: int | None
    channels: int | None
    continues: str | None
    continued_by: str | None
    connected_at: Time
    started_at: Time | None
    stopped_at: Time | None
    closed_at: Time | None
    kept_alive_at: Time | None
    first_seen_at: Time | None
    last_seen_at: Time | None
    messages: int
    frames: dict[str, int]
    audio_bytes: int
    gaps: int
    skipped: int
    repeats: int
    late: int
    strays: int
    restarts: int
    rejected: dict[str, int]

    @classmethod
    def of(cls, stream: MediaStream) -> Self:
        """The view of a stream."""
        return cls.model_validate(stream)


class CallView(View):
    """A call, or one leg of it."""

    call_id: str
    tenant_id: str
    session_id: str | None
    state: CallState
    started_at: Time
    ended_at: Time | None
    streams: Ids
    open_streams: Ids

    @classmethod
    def of(cls, call: Call) -> Self:
        """The view of a call."""
        return cls.model_validate(call)


def _roles(speakers: object) -> object:
    if not isinstance(speakers, Mapping):
        return speakers
    return {
        track: speaker.role if isinstance(speaker, Speaker) else speaker
        for track, speaker in speakers.items()
    }


class TranscriptionView(View):
    """How a relay transcribes."""

    language: str
    redaction: Redaction
    speakers: Annotated[dict[Track, Role], BeforeValidator(_roles)]


class RelayView(View):
    """A relay, without what its tenant may want to keep secret."""

    relay_id: str
    surface: Surface
    sink: SinkKind
    transcription: TranscriptionView | None
    dialogue: DialogueSettings | None
    name: str | None
    track: Tracks
    state: RelayState
    error: str | None
    dropped: int | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, relay: Relay) -> Self:
        """The view of a relay."""
        return cls.model_validate(relay)


class WholeCall(View):
    """A call with all that belongs to it. Its `legs` include the call itself.

    `lines` counts the lines of the call's transcript by track.
    """

    call: CallView
    legs: list[CallView]
    streams: list[StreamView]
    relays: list[RelayView]
    lines: dict[Track, int]


type Scope = Literal["live", "all"]


class Activity:
    """The streams and calls of a deployment, as views.

    Every method raises `Unavailable` if the table cannot be read, and `UnreadableItem` if an item
    is of another version.
    """

    def __init__(
        self, streams: StreamStore, relays: RelayStore, transcripts: TranscriptStore
    ) -> None:
        self._streams = streams
        self._relays = relays
        self._transcripts = transcripts

    def streams(
        self, scope: Scope, tenant_id: str | None = None, call_id: str | None = None
    ) -> list[StreamView]:
        """The streams of a tenant and of a call, the oldest first.

        Args:
            scope: live streams alone, or all that the table keeps, which takes a scan.
            tenant_id: the tenant; None for all tenants.
            call_id: the carrier's id of the call; None for all calls.
        """
        return _oldest_first(
            StreamView.of(stream)
            for stream in self._in(scope)
            if tenant_id in {None, stream.tenant_id} and call_id in {None, stream.call_id}
        )

    def streams_named(self, stream_id: str) -> list[StreamView]:
        """The stream of this id, or else the streams that have this id from their carrier.

        To find the latter takes a scan, unless one of them is live.
        """
        stream = self._streams.stream(stream_id)
        if stream is not None:
            return [StreamView.of(stream)]
        for scope in ("live", "all"):
            named = [each for each in self._in(scope) if each.carrier_stream_id == stream_id]
            if named:
                return _oldest_first(map(StreamView.of, named))
        return []

    def calls(self, scope: Scope, tenant_id: str | None = None) -> list[CallView]:
        """The calls of a tenant, the oldest first, but the legs of one session together.

        Args:
            scope: calls with live streams, or all that the table keeps, which takes a scan.
            tenant_id: the tenant; None for all tenants.
        """
        if scope == "live":
            live = ((each.tenant_id, each.call_id) for each in self._streams.live())
            keys = {(tenant, call_id) for tenant, call_id in live if call_id is not None}
            calls = self._calls(key for key in sorted(keys) if tenant_id in {None, key[0]})
        else:
            calls = [
                CallView.of(call)
                for call in self._streams.all_calls()
                if tenant_id in {None, call.tenant_id}
            ]
        return _legs_together(calls)

    def calls_named(self, call_id: str, tenant_ids: Iterable[str]) -> list[CallView]:
        """These tenants' calls of this id, or else the first legs of their sessions of this id."""
        tenant_ids = list(tenant_ids)
        return self._calls((tenant_id, call_id) for tenant_id in tenant_ids) or [
            leg for tenant_id in tenant_ids for leg in self._legs(tenant_id, call_id)[:1]
        ]

    def whole(self, call: CallView) -> WholeCall:
        """A call with its legs, the streams of all of them, and its own relays."""
        legs = [call]
        if call.session_id is not None:
            of_session = self._legs(call.tenant_id, call.session_id)
            legs += [leg for leg in of_session if leg.call_id != call.call_id]
        streams = [self._streams.stream(stream_id) for leg in legs for stream_id in leg.streams]
        relays = self._relays.relays(call.tenant_id, call.call_id)
        last = {
            track: self._transcripts.last(call.tenant_id, call.call_id, track) for track in TRACKS
        }
        return WholeCall(
            call=call,
            legs=sorted(legs, key=_began),
            streams=_oldest_first(StreamView.of(each) for each in streams if each is not None),
            relays=sorted(
                map(RelayView.of, relays), key=lambda relay: (relay.created_at, relay.relay_id)
            ),
            lines={track: kept.line.number for track, kept in last.items() if kept is not None},
        )

    def _in(self, scope: Scope) -> Iterable[MediaStream]:
        return self._streams.live() if scope == "live" else self._streams.all_streams()

    def _legs(self, tenant_id: str, session_id: str) -> list[CallView]:
        """What the table keeps of a session, the first leg first."""
        legs = self._streams.legs(tenant_id, session_id)
        return sorted(self._calls((tenant_id, leg) for leg in legs), key=_began)

    def _calls(self, keys: Iterable[tuple[str, str]]) -> list[CallView]:
        calls = (self._streams.call(*key) for key in keys)
        return [CallView.of(call) for call in calls if call is not None]


def _oldest_first(streams: Iterable[StreamView]) -> list[StreamView]:
    return sorted(streams, key=lambda stream: (stream.connected_at, stream.stream_id))


def _began(call: CallView) -> tuple[datetime, str]:
    return call.started_at, call.call_id


def _legs_together(calls: Iterable[CallView]) -> list[CallView]:
    """By when the first leg began; the legs of one session in the order in which they began."""
    calls = sorted(calls, key=_began)
    # The first that is met of each session is its first leg.
    first = {_session(call): call.started_at for call in reversed(calls)}
    return sorted(calls, key=lambda call: (first[_session(call)], _session(call)))


def _session(call: CallView) -> tuple[str, str]:
    return call.tenant_id, call.session_id or f"call {call.call_id}"
