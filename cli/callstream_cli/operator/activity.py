"""What goes on in a deployment, for its operator: streams with their counters, calls, relays.

Nothing here has phone numbers, or what tenants and carriers sent along: attributes, parameters,
URLs and tokens stay in the table.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.calls import call_key, session_key
from callstream.calls.lifecycle import CallState, RelayState, StreamState
from callstream.calls.streams import StreamStore, stream_key
from callstream.dialects.events import Tracks
from callstream.ports import Item
from callstream.relays.store import RelayStore
from callstream.tenants.directory import Surface
from callstream_cli.operator.errors import OperatorError, output


def _time(milliseconds: object) -> object:
    """The tables' times are milliseconds since 1970."""
    if milliseconds is None or isinstance(milliseconds, datetime):
        return milliseconds
    return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC)


Time = Annotated[datetime, BeforeValidator(_time)]
Names = Annotated[list[str], BeforeValidator(sorted)]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Stream(_View):
    """A media stream, and what has been counted of it."""

    stream_id: str
    tenant_id: str
    route: str
    state: StreamState
    call_id: str | None = None
    session_id: str | None = None
    carrier_stream_id: str | None = None
    dialect: str | None = None
    tracks: list[str] = []
    encoding: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    continues: str | None = None
    continued_by: str | None = None
    connected_at: Time
    started_at: Time | None = None
    stopped_at: Time | None = None
    closed_at: Time | None = None
    kept_alive_at: Time | None = None
    first_seen_at: Time | None = None
    last_seen_at: Time | None = None
    messages: int = 0
    frames: dict[str, int] = {}
    audio_bytes: int = 0
    gaps: int = 0
    skipped: int = 0
    repeats: int = 0
    late: int = 0
    strays: int = 0
    restarts: int = 0
    rejected: dict[str, int] = {}


class Call(_View):
    """A call, or one leg of it."""

    call_id: str
    tenant_id: str
    session_id: str | None = None
    state: CallState
    started_at: Time
    ended_at: Time | None = None
    streams: Names
    open_streams: Names = []


class RelayOfCall(_View):
    """A relay, without what its tenant may want to keep secret."""

    relay_id: str
    surface: Surface
    name: str | None = None
    track: Tracks
    state: RelayState
    error: str | None = None
    dropped: int | None = None
    created_at: Time
    updated_at: Time


class WholeCall(_View):
    """A call with all that belongs to it. Its `legs` include itself."""

    call: Call
    legs: list[Call]
    streams: list[Stream]
    relays: list[RelayOfCall]


type Scope = Literal["live", "all"]


class Activity:
    """The streams and calls of a deployment.

    Args:
        outputs: of the deployment's stack.
    """

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._table = DynamoTable(output(outputs, "StreamsTableName"))

    def streams(
        self, scope: Scope, tenant_id: str | None = None, call_id: str | None = None
    ) -> list[Stream]:
        """The live streams, or all that are kept, the oldest first; of this tenant, of this call.

        All of them cost a scan of the table; the live ones do not.
        """
        items = self._live() if scope == "live" else self._all("STREAM")
        streams = [
            Stream.model_validate(item)
            for item in items
            if tenant_id in {None, item["tenant_id"]} and call_id in {None, item.get("call_id")}
        ]
        return sorted(streams, key=lambda stream: (stream.connected_at, stream.stream_id))

    def stream(self, stream_id: str) -> Stream:
        """A stream, by its id or the carrier's; to find it by the latter costs as `streams` does.

        Raises:
            OperatorError: there is none, or the carrier has several of that id.
        """
        item = self._table.get(stream_key(stream_id))
        found = [item] if item is not None else self._of_carrier(stream_id)
        if not found:
            raise OperatorError(f"there is no stream {stream_id!r}")
        if len(found) > 1:
            ids = ", ".join(sorted(item["stream_id"] for item in found))
            raise OperatorError(f"several streams are {stream_id!r} to the carrier: {ids}")
        return Stream.model_validate(found[0])

    def _of_carrier(self, carrier_stream_id: str) -> list[Item]:
        for items in (self._live, partial(self._all, "STREAM")):
            found = [item for item in items() if item.get("carrier_stream_id") == carrier_stream_id]
            if found:
                return found
        return []

    def calls(self, scope: Scope, tenant_id: str | None = None) -> list[Call]:
        """The calls with live streams, or all that are kept; the oldest first, but legs together.

        All of them cost a scan of the table; the live ones do not.
        """
        items: Iterable[Item]
        if scope == "live":
            keys = {
                (item["tenant_id"], item["call_id"])
                for item in self._live()
                if "call_id" in item and tenant_id in {None, item["tenant_id"]}
            }
            items = filter(None, (self._table.get(call_key(*key)) for key in sorted(keys)))
        else:
            items = self._all("CALL")
        calls = [
            Call.model_validate(item) for item in items if tenant_id in {None, item["tenant_id"]}
        ]
        return _legs_together(calls)

    def call(self, call_id: str, tenant_ids: Iterable[str]) -> WholeCall:
        """A call of one of these tenants, with all that belongs to it; of a session, its first leg.

        Raises:
            OperatorError: none of them has such a call, or several have.
        """
        tenant_ids = list(tenant_ids)
        found = self._calls((tenant, call_id) for tenant in tenant_ids)
        if not found:
            found = [leg for tenant in tenant_ids for leg in self._legs(tenant, call_id)[:1]]
        if not found:
            raise OperatorError(f"there is no call {call_id!r}")
        if len(found) > 1:
            whose = ", ".join(sorted(call.tenant_id for call in found))
            raise OperatorError(f"several have a call {call_id!r}: give --tenant, one of {whose}")
        return self._whole(found[0])

    def _whole(self, call: Call) -> WholeCall:
        legs = [call]
        if call.session_id is not None:
            of_session = self._legs(call.tenant_id, call.session_id)
            legs += [leg for leg in of_session if leg.call_id != call.call_id]
        streams = [self._table.get(stream_key(name)) for leg in legs for name in leg.streams]
        relays = [
            RelayOfCall.model_validate(relay.model_dump())
            for relay in RelayStore(self._table).relays(call.tenant_id, call.call_id)
        ]
        return WholeCall(
            call=call,
            legs=sorted(legs, key=lambda leg: (leg.started_at, leg.call_id)),
            streams=sorted(
                (Stream.model_validate(item) for item in streams if item is not None),
                key=lambda stream: (stream.connected_at, stream.stream_id),
            ),
            relays=sorted(relays, key=lambda relay: (relay.created_at, relay.relay_id)),
        )

    def _legs(self, tenant_id: str, session_id: str) -> list[Call]:
        """What is kept of a session, the first leg first."""
        session = self._table.get(session_key(tenant_id, session_id)) or {}
        legs = self._calls((tenant_id, leg) for leg in session.get("calls", ()))
        return sorted(legs, key=lambda leg: (leg.started_at, leg.call_id))

    def _calls(self, keys: Iterable[tuple[str, str]]) -> list[Call]:
        items = (self._table.get(call_key(*key)) for key in keys)
        return [Call.model_validate(item) for item in items if item is not None]

    def _live(self) -> Iterable[Item]:
        for stream in StreamStore(self._table, timedelta(0)).live():
            if (item := self._table.get(stream_key(stream.stream_id))) is not None:
                yield item

    def _all(self, kind: str) -> Iterable[Item]:
        return (item for item in self._table.scan() if item["sk"] == kind)


def _legs_together(calls: Iterable[Call]) -> list[Call]:
    """By when the first leg began; the legs of one session in the order in which they began."""
    calls = sorted(calls, key=lambda call: (call.started_at, call.call_id))
    # The first that is met of each session is its first leg.
    first = {_session(call): call.started_at for call in reversed(calls)}
    return sorted(calls, key=lambda call: (first[_session(call)], _session(call)))


def _session(call: Call) -> tuple[str, str]:
    return call.tenant_id, call.session_id or f"call {call.call_id}"
