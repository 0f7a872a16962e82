"""Commands to transcribe calls: which relay transcribes a call, and which transcripts it adds to.

One item beside the call in the Streams table: `CALL#<tenant>#<id>` / `TRANSCRIPTION`. A command may
come before the call's media: it waits there until the media starts. Stopping pauses, and starting
again resumes with a new relay, whose lines go on in the same transcripts.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import RelayEvent
from callstream.calls.model import Call
from callstream.errors import CallEnded, LimitReached, TooLarge, Unavailable
from callstream.ports import Item, RelayStarter, Table
from callstream.relays.model import CallCommand, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.table_requests import optimistically
from callstream.tenants.running_limits import RunningLimits
from callstream.times import milliseconds
from callstream.transcription.model import Role, TranscriptionSettings

_logger = logging.getLogger(__name__)

# How long a command waits for its call; longer than any call lasts.
_KEPT: Final = timedelta(days=1)
_ATTEMPTS: Final = 5


class Transcription(BaseModel):
    """The latest command to transcribe a call. Times are milliseconds since 1970.

    `stream_ids` are the ids of both speakers' transcripts; they stay when a call's transcription
    resumes. `relay_id` is the relay that transcribes, or that did last; None before the media.
    `streams` are the call's streams that were open when the relay was made.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    is_on: bool
    stream_ids: dict[Role, str]
    spec: RelaySpec | None = None
    relay_id: str | None = None
    streams: frozenset[str] = frozenset()
    started_at: int
    stopped_at: int | None = None
    expires_at: int

    @property
    def seconds(self) -> int:
        """How long the last stopped transcription lasted, in seconds; 0 while one is on."""
        return 0 if self.stopped_at is None else (self.stopped_at - self.started_at) // 1000


def transcription_key(tenant_id: str, call_id: str) -> Item:
    """The key of a call's transcription."""
    return call_key(tenant_id, call_id) | {"sk": "TRANSCRIPTION"}


def build_put(key: Item, new: Transcription, old: Transcription | None) -> Item:
    """Replace a call's transcription, on condition that it is still as it was read.

    Args:
        key: the key of the call's transcription.
        new: the transcription from now on.
        old: the transcription as it was read; None if the call had none.
    """
    put: Item = {
        "Item": key | new.model_dump(mode="json", exclude_none=True),
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if old is not None:
        values: Item = {":is_on": old.is_on, ":started_at": old.started_at}
        condition = "is_on = :is_on AND started_at = :started_at AND "
        if old.relay_id is None:
            condition += "attribute_not_exists(relay_id)"
        else:
            condition += "relay_id = :relay_id"
            values[":relay_id"] = old.relay_id
        put |= {"ConditionExpression": condition, "ExpressionAttributeValues": values}
    return {"Put": put}


def build_transcription(relay: Relay, old: Transcription | None, expires_at: int) -> Item:
    """Make a relay the transcription of its call, as a command to transcribe the call would.

    Args:
        relay: the new relay.
        old: the call's transcription as it was read; None if the call had none.
        expires_at: when the call's items expire, in seconds since 1970.
    """
    settings = relay.transcription or TranscriptionSettings()
    new = Transcription(
        is_on=True,
        stream_ids={each.role: each.transcript_id for each in settings.speakers.values()},
        spec=RelaySpec.model_validate(relay.model_dump(include=set(RelaySpec.model_fields))),
        relay_id=relay.relay_id,
        started_at=relay.created_at,
        expires_at=expires_at,
    )
    return build_put(transcription_key(relay.tenant_id, relay.call_id), new, old)


class Transcriptions:
    """The transcriptions of calls. Both methods may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, call_id: str) -> Transcription | None:
        """The latest command to transcribe a call; None if there never was one."""
        item = self._table.get(transcription_key(tenant_id, call_id))
        return None if item is None else Transcription.model_validate(item)

    def stop(
        self, tenant_id: str, call_id: str, found: Transcription, now: datetime
    ) -> Transcription:
        """Note that a call's transcription, as it was read, is stopped.

        Raises:
            ConditionFailed: another command has changed the transcription meanwhile.
        """
        stopped = found.model_copy(update={"is_on": False, "stopped_at": milliseconds(now)})
        self._table.transact([build_put(transcription_key(tenant_id, call_id), stopped, found)])
        return stopped


@dataclass(frozen=True, slots=True)
class TranscriptionStarter:
    """Starts the transcription of calls, by command and when awaited media comes.

    `limits_of` gives the limits of a tenant whose awaited media comes.
    """

    table: Table
    relays: RelayStore
    starter: RelayStarter
    limits_of: Callable[[str], RunningLimits] = lambda _tenant_id: RunningLimits()

    def start(self, spec: RelaySpec, command: CallCommand) -> Transcription:
        """Start transcribing a call, or resume. Changes nothing while the call is transcribed.

        If all streams have ended that a relay began with, the relay may be about to end, although
        the call has new streams: another relay takes its place.

        Args:
            spec: the spec of the relay; the transcripts' ids in it are for a call that has none.
            command: the call, and the time from which on it is transcribed.

        Raises:
            CallEnded: the call is over.
            LimitReached, TooLarge: the tenant's limits leave no room for the relay.
            Unavailable: DynamoDB or Lambda did not answer. The sweep starts a relay that was made.
        """

        def attempt() -> tuple[Transcription, Relay | None]:
            call = self._call(command)
            found = Transcriptions(self.table).get(command.tenant_id, command.call_id)
            if found is not None and found.is_on and found.spec is not None:
                if found.relay_id is None:
                    # Its media may have come while the command was being written.
                    return self._make(found, found, command, call) if call else (found, None)
                if (relay := self._live(found, command)) is not None:
                    if call is None or not found.streams or found.streams & call.open_streams:
                        return found, None
                    self.relays.advance(relay, RelayEvent.STOP, command.now)
            new = self._new(spec, found, command)
            if call is not None:
                return self._make(new, found, command, call)
            key = transcription_key(command.tenant_id, command.call_id)
            self.table.transact([build_put(key, new, found)])
            # `wait` has not seen the command if the call has started meanwhile.
            call = self._call(command)
            return self._make(new, new, command, call) if call else (new, None)

        transcription, made = optimistically(attempt, _ATTEMPTS)
        if made is not None:
            self.starter.start(made.identity)
        return transcription

    def start_waiting(self, tenant_id: str, call_id: str, since: int, now: datetime) -> None:
        """Start the transcription that waits for this call's media, if there is one.

        A relay that was made and could not be started stays requested: the sweep starts it.

        Args:
            tenant_id: the tenant of the call.
            call_id: the call, one of whose streams has started.
            since: when the stream's start message was received, in milliseconds since 1970.
            now: the time.

        Raises:
            Unavailable: DynamoDB did not answer.
        """
        command = CallCommand(tenant_id, call_id, now)

        def attempt() -> Relay | None:
            found = Transcriptions(self.table).get(tenant_id, call_id)
            if found is None or not found.is_on or found.spec is None or found.relay_id is not None:
                return None
            if (call := self._call(command)) is None:
                return None
            limited = replace(command, limits=self.limits_of(tenant_id))
            return self._make(found, found, limited, call, since)[1]

        try:
            made = optimistically(attempt, _ATTEMPTS)
        except CallEnded:
            return
        except (LimitReached, TooLarge) as error:
            _logger.warning("no room for a transcription: %s", error)
            return
        if made is not None:
            try:
                self.starter.start(made.identity)
            except Unavailable as error:
                _logger.warning("%s", error, extra={"relay_id": made.relay_id})

    def _call(self, command: CallCommand) -> Call | None:
        """The call; None if its media has not started. Raises `CallEnded`."""
        item = self.table.get(call_key(command.tenant_id, command.call_id))
        call = None if item is None else Call.from_item(item)
        if call is not None and not call.is_active:
            raise CallEnded("the call is over")
        return call

    def _live(self, found: Transcription, command: CallCommand) -> Relay | None:
        relay = self.relays.get(command.tenant_id, command.call_id, str(found.relay_id))
        return relay if relay is not None and relay.is_active else None

    def _new(
        self, spec: RelaySpec, before: Transcription | None, command: CallCommand
    ) -> Transcription:
        """A command's transcription, which goes on with the call's transcripts if there are any."""
        settings = spec.transcription or TranscriptionSettings()
        ids = {each.role: each.transcript_id for each in settings.speakers.values()}
        ids |= before.stream_ids if before is not None else {}
        speakers = {
            track: each.model_copy(update={"transcript_id": ids[each.role]})
            for track, each in settings.speakers.items()
        }
        settings = settings.model_copy(update={"speakers": speakers})
        return Transcription(
            is_on=True,
            stream_ids=ids,
            spec=spec.model_copy(update={"transcription": settings}),
            started_at=milliseconds(command.now),
            expires_at=int((command.now + _KEPT).timestamp()),
        )

    def _make(
        self,
        new: Transcription,
        old: Transcription | None,
        command: CallCommand,
        call: Call,
        since: int = 0,
    ) -> tuple[Transcription, Relay]:
        """Make the relay of a transcription, unless the call has got another meanwhile.

        Audio from before the command is never transcribed, nor from before `since`.
        """
        spec = new.spec
        if spec is None:
            raise ValueError("a transcription of an earlier version cannot be carried out")
        spec = spec.model_copy(update={"since": max(new.started_at, since)})
        relay = Relay.of(spec, str(uuid4()), command)
        made = new.model_copy(
            update={
                "relay_id": relay.relay_id,
                "streams": frozenset(call.open_streams),
                "expires_at": call.expires_at,
            }
        )
        put = build_put(transcription_key(command.tenant_id, command.call_id), made, old)
        self.relays.make([relay], command, call, [put])
        return made, relay
