"""The items of the Streams table that `calls` owns, as classes: media streams and calls.

The classes have every attribute that such an item can have, whichever module writes the attribute.
Times are milliseconds since 1970; `expires_at` alone is in seconds, as DynamoDB's TTL wants it.
`None` stands for an attribute that the item does not have (yet).
"""

from typing import Self

from msgspec import Struct, ValidationError, convert

from callstream.audio.formats import AudioFormat
from callstream.calls.lifecycle import CallState, StreamState
from callstream.errors import UnreadableItem
from callstream.ports import Item


class _Item(Struct, frozen=True, kw_only=True):
    tenant_id: str
    expires_at: int

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an item of the table. Attributes that this version does not know are ignored.

        Raises:
            UnreadableItem: an attribute is missing, or has a value of another type.
        """
        try:
            return convert(item, cls)
        except ValidationError as error:
            problem, _, path = str(error).partition(" - at `$.")
            where = f"{path.removesuffix('`')}: " if path else ""
            raise UnreadableItem(cls.__name__, where + problem) from None


class MediaStream(_Item, frozen=True, kw_only=True):
    """A carrier's WebSocket connection that brings audio in, from `$connect` on.

    Args:
        tenant_id: the tenant whose token opened the connection.
        expires_at: when the table drops the item, in seconds since 1970.
        stream_id: our own id of the stream.
        route: what the token was for: `autotranscribe`, `genagent`, `inbox`, ...
        connection_id: API Gateway's id of the WebSocket connection.
        state: the state in the stream's lifecycle.
        live: the key of the index of live items; None once the stream is closed.
        counted: whether the tenant's count of open streams has the stream.
        attributes: what the endpoint that made the token wanted the stream to know. Private.
        connected_at: when the connection was opened.

        dialect: the carrier's message format. This and all up to `started_at` is known from the
            carrier's start message on.
        call_id: the carrier's id of the call, or of one leg of the call.
        carrier_stream_id: the carrier's id of the stream.
        account_id: the carrier's id of its customer.
        session_id: the carrier's id that the legs of one call share; None if the carrier has none.
        from_number: the caller's phone number. Private.
        to_number: the called phone number. Private.
        tracks: the tracks that the carrier sends.
        encoding: the codec by its RTP name.
        sample_rate: in Hz.
        channels: the number of channels.
        continues: the stream of the same call that this one continues.
        started_at: when the carrier's start message came.

        continued_by: the stream of the same call that continues this one.
        stopped_at: when the carrier's stop message came.
        closed_at: when the connection ended.
        kept_alive_at: when the sweep last sent something so that the connection stays.

        counter_state: what `calls.counters` needs to go on counting. Opaque.
        counted_to: the Kinesis sequence number of the last record that is counted.
        messages: how many messages are counted.
        frames: how many frames of audio, by track.
        audio_bytes: how many bytes of audio, in the carrier's codec.
        gaps: how often numbers were missing.
        skipped: how many numbers were missing.
        repeats: how many messages came again.
        late: how many messages came too late to be put in order.
        strays: how many messages had a number that fits nowhere.
        restarts: how often the numbering began anew.
        rejected: how many messages could not be read, by reason.
        first_seen_at: when API Gateway received the first message.
        last_seen_at: when API Gateway received the latest message.
    """

    stream_id: str
    route: str
    connection_id: str
    state: StreamState
    live: str | None = None
    counted: bool = False
    attributes: dict[str, str] = {}
    connected_at: int

    dialect: str | None = None
    call_id: str | None = None
    carrier_stream_id: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    tracks: tuple[str, ...] = ()
    encoding: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    continues: str | None = None
    started_at: int | None = None

    continued_by: str | None = None
    stopped_at: int | None = None
    closed_at: int | None = None
    kept_alive_at: int | None = None

    counter_state: bytes | None = None
    counted_to: str | None = None
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
    first_seen_at: int | None = None
    last_seen_at: int | None = None

    def __repr__(self) -> str:
        # For logs, which must not have what is private.
        return f"{type(self).__name__}({self.stream_id!r}, {self.state})"

    @property
    def is_open(self) -> bool:
        """Whether the connection is there, as far as the table knows."""
        return self.state is not StreamState.CLOSED

    @property
    def seen_at(self) -> int:
        """When the stream was last seen alive: its latest counted message, or its connection."""
        return max(self.connected_at, self.last_seen_at or 0)


class StartedStream(MediaStream, frozen=True, kw_only=True):
    """A media stream whose carrier has sent its start message: all that it says is there."""

    dialect: str
    call_id: str
    carrier_stream_id: str
    account_id: str
    tracks: tuple[str, ...]
    encoding: str
    sample_rate: int
    channels: int
    started_at: int

    @property
    def format(self) -> AudioFormat:
        """The format of the stream's audio."""
        return AudioFormat(self.encoding, self.sample_rate, self.channels)


def media_stream(item: Item) -> MediaStream:
    """Read a stream's item: a `StartedStream` if the stream has started.

    Raises:
        UnreadableItem: an attribute is missing, or has a value of another type.
    """
    kind = StartedStream if "started_at" in item else MediaStream
    return kind.from_item(item)


class Call(_Item, frozen=True, kw_only=True):
    """A call, or one leg of a call that the carrier streams leg by leg, from its first stream on.

    Args:
        tenant_id: the tenant whose call it is.
        expires_at: when the table drops the item, in seconds since 1970.
        call_id: the carrier's id of the call or leg.
        account_id: the carrier's id of its customer.
        session_id: the carrier's id that the legs of one call share; None if the carrier has none.
        state: active while any of the call's streams is open.
        streams: the ids of all streams that the call has had.
        open_streams: the ids of those that are open.
        live_relays: the ids of the relays that have a run, or wait for a run.
        relays_made: how many relays the call has had; None if an earlier version made the call,
            which did not count them.
        started_at: when the first stream started.
        ended_at: when the last stream closed; None while the call is active.
        commanded_at: when the latest command on the call came.
        client_state: what the latest command that gave a client state gave. Private.
    """

    call_id: str
    account_id: str | None = None
    session_id: str | None = None
    state: CallState
    streams: frozenset[str] = frozenset()
    open_streams: frozenset[str] = frozenset()
    live_relays: frozenset[str] = frozenset()
    relays_made: int | None = None
    started_at: int
    ended_at: int | None = None
    commanded_at: int | None = None
    client_state: str | None = None

    def __repr__(self) -> str:
        # For logs, which must not have what is private.
        return f"{type(self).__name__}({self.call_id!r}, {self.state})"

    @property
    def is_active(self) -> bool:
        """Whether any of the call's streams is open."""
        return self.state is CallState.ACTIVE
