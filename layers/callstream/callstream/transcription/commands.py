"""Tenants' commands to transcribe calls, as ASAPP's start-streaming and stop-streaming give them.

One item beside the call in the Streams table: `CALL#<tenant>#<id>` / `TRANSCRIPTION`. A command
may come before the call's media, and waits for the media. Stopping pauses, starting again resumes.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from callstream.calls.call_requests import call_key
from callstream.calls.model import Call
from callstream.errors import CallEnded, ConditionFailed, NotFound
from callstream.ports import Item, Table
from callstream.table_requests import set_request
from callstream.times import milliseconds

Side = Literal["customer", "agent"]

# How long a command waits for its call; longer than any call lasts.
_KEPT: Final = timedelta(days=1)


class Transcription(BaseModel):
    """A command to transcribe a call. Times are milliseconds since 1970.

    `stream_ids` are the ids of the transcripts of each side.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    is_on: bool
    stream_ids: dict[Side, str]
    settings: dict[str, Any]
    started_at: int
    stopped_at: int | None = None

    @property
    def seconds(self) -> int:
        """How long the last stopped transcription lasted, in seconds; 0 while one is on."""
        return 0 if self.stopped_at is None else (self.stopped_at - self.started_at) // 1000


def transcription_key(tenant_id: str, call_id: str) -> Item:
    """The key of a call's transcription."""
    return call_key(tenant_id, call_id) | {"sk": "TRANSCRIPTION"}


class Transcriptions:
    """The transcriptions of calls. Both methods may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def start(
        self, tenant_id: str, call_id: str, settings: dict[str, Any], now: datetime
    ) -> Transcription:
        """Start transcribing a call, or resume. Changes nothing while the call is transcribed.

        Raises:
            CallEnded: the call is over.
        """
        call = self._table.get(call_key(tenant_id, call_id))
        if call is not None and not Call.from_item(call).is_active:
            raise CallEnded("the call is over")
        return self._update(
            {
                "Key": transcription_key(tenant_id, call_id),
                "UpdateExpression": (
                    "SET is_on = :true, settings = :settings, started_at = :now, "
                    "expires_at = :expires_at, stream_ids = if_not_exists(stream_ids, :stream_ids) "
                    "REMOVE stopped_at"
                ),
                "ConditionExpression": "attribute_not_exists(is_on) OR is_on = :false",
                "ExpressionAttributeValues": {
                    ":true": True,
                    ":false": False,
                    ":settings": settings,
                    ":now": milliseconds(now),
                    ":expires_at": int((now + _KEPT).timestamp()),
                    ":stream_ids": {"customer": str(uuid4()), "agent": str(uuid4())},
                },
            }
        )

    def stop(self, tenant_id: str, call_id: str, now: datetime) -> Transcription:
        """Stop transcribing a call. Changes nothing if the transcription is stopped already.

        Raises:
            NotFound: the call was never transcribed.
        """
        key = transcription_key(tenant_id, call_id)
        values: Item = {"is_on": False, "stopped_at": milliseconds(now)}
        return self._update(set_request(key, values, "#is_on = :true", {"true": True}))

    def _update(self, request: Item) -> Transcription:
        try:
            return Transcription.model_validate(self._table.update(request))
        except ConditionFailed:
            item = self._table.get(request["Key"])
            if item is None:
                raise NotFound("this call is not transcribed") from None
            return Transcription.model_validate(item)
