"""Transcription of calls, as ASAPP's start-streaming and stop-streaming ask for it.

One item beside the call in the Streams table: `CALL#<tenant>#<id>` / `TRANSCRIPTION`. A request
may come before the call's media does: it waits for it. Stopping pauses, starting again resumes.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from callstream.calls.calls import call_key
from callstream.calls.model import Call
from callstream.errors import CallEnded, ConditionFailed, NotFound
from callstream.ports import Item, Table
from callstream.times import milliseconds

Side = Literal["customer", "agent"]

# How long a request waits for its call; longer than any call lasts.
_KEPT: Final = timedelta(days=1)


class Transcription(BaseModel):
    """A request to transcribe a call. Times are milliseconds since 1970.

    `stream_ids` are the ids under which the transcripts of each side will come.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    is_on: bool
    stream_ids: dict[Side, str]
    settings: dict[str, Any]
    started_at: int
    stopped_at: int | None = None

    @property
    def seconds(self) -> int:
        """How long it has been on, the last time; 0 while it is."""
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
        """Ask for a call to be transcribed, or go on with it. While it is, nothing changes.

        Raises:
            CallEnded: the call is over.
        """
        call = self._table.get(call_key(tenant_id, call_id))
        if call is not None and not Call.from_item(call).is_active:
            raise CallEnded("the call is over")
        return self._update(
            tenant_id,
            call_id,
            {
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
            },
        )

    def stop(self, tenant_id: str, call_id: str, now: datetime) -> Transcription:
        """Stop transcribing a call. If it has been stopped, nothing changes.

        Raises:
            NotFound: nobody has asked for this call to be transcribed.
        """
        return self._update(
            tenant_id,
            call_id,
            {
                "UpdateExpression": "SET is_on = :false, stopped_at = :now",
                "ConditionExpression": "is_on = :true",
                "ExpressionAttributeValues": {
                    ":true": True,
                    ":false": False,
                    ":now": milliseconds(now),
                },
            },
        )

    def _update(self, tenant_id: str, call_id: str, request: Item) -> Transcription:
        key = transcription_key(tenant_id, call_id)
        try:
            return Transcription.model_validate(self._table.update({"Key": key, **request}))
        except ConditionFailed:
            item = self._table.get(key)
            if item is None:
                raise NotFound("this call is not transcribed") from None
            return Transcription.model_validate(item)
