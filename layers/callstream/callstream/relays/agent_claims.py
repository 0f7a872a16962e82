"""Which relay each agent has on a call, in the Streams table beside the call.

| pk                    | sk                  | what                                          |
|-----------------------|---------------------|-----------------------------------------------|
| `CALL#<tenant>#<id>`  | `AGENT#<agent id>`  | the agent's last relay, and the streams that  |
|                       |                     | share the relay                               |
"""

from typing import Final

from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import RelayEvent
from callstream.ports import Item, Table
from callstream.relays.model import CallCommand, Relay
from callstream.relays.store import RelayStore
from callstream.relays.transcriptions import (
    Transcription,
    Transcriptions,
    build_transcription,
)
from callstream.table_requests import optimistically

_ATTEMPTS: Final = 5


def build_claim(
    relay: Relay, agent_id: str, stream_id: str, before: str | None, expires_at: int
) -> Item:
    """Make a relay the agent's on its call, unless the agent has got another relay meanwhile.

    Args:
        relay: the new relay.
        agent_id: the agent.
        stream_id: the stream whose start makes the relay.
        before: the id of the agent's last relay; None if the agent has had none on this call.
        expires_at: when the call's items expire, in seconds since 1970.
    """
    claim = {"relay_id": relay.relay_id, "streams": {stream_id}, "expires_at": expires_at}
    put: Item = {
        "Item": _key(relay, agent_id) | claim,
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if before is not None:
        put["ConditionExpression"] = "relay_id = :before"
        put["ExpressionAttributeValues"] = {":before": before}
    return {"Put": put}


def build_shared(key: Item, relay_id: str, stream_id: str) -> Item:
    """Let one more of the call's streams share the agent's relay, while it is the agent's."""
    return {
        "Key": key,
        "UpdateExpression": "ADD streams :stream",
        "ConditionExpression": "relay_id = :relay",
        "ExpressionAttributeValues": {":stream": {stream_id}, ":relay": relay_id},
    }


def _key(relay: Relay, agent_id: str) -> Item:
    return call_key(relay.tenant_id, relay.call_id) | {"sk": f"AGENT#{agent_id}"}


class AgentClaims:
    """The claims of agents on calls. Its method may raise `Unavailable`."""

    def __init__(self, table: Table, relays: RelayStore) -> None:
        self._table = table
        self._relays = relays
        self._transcriptions = Transcriptions(table)

    def make_relay(
        self, agent_id: str, relay: Relay, stream_id: str, command: CallCommand
    ) -> Relay | None:
        """Make an agent's relay, because a stream has started; None if the call needs no new relay.

        A relay is of the call, not of the stream: a stream that joins other open streams shares
        their relay, because it may continue one of them. Only if all those streams have ended does
        the agent get a new relay; its last relay, which is about to end, is stopped.
        If another relay of the call has the name, the new relay goes without a name.
        A call has one transcription: none is made while another goes on, or if a command has
        stopped the last.

        Raises:
            UnknownCall, CallEnded
            LimitReached, TooLarge: the tenant's limits leave no room for the relay.
        """
        key = _key(relay, agent_id)

        def attempt() -> Relay | None:
            call = self._relays.active_call(command)
            claim = self._table.get(key)
            before = None if claim is None else str(claim["relay_id"])
            others = call.open_streams - {stream_id}
            if claim is not None and (before == relay.relay_id or others & claim["streams"]):
                self._table.update(build_shared(key, claim["relay_id"], stream_id))
                return None
            if before is not None:
                last = relay.model_copy(update={"relay_id": before})
                self._relays.advance(last, RelayEvent.STOP, command.now)
            also: list[Item] = []
            if relay.transcription is not None:
                found = self._transcriptions.get(relay.tenant_id, relay.call_id)
                if found is not None and (not found.is_on or self._goes_on(found, relay)):
                    return None
                also = [build_transcription(relay, found, call.expires_at)]
            has_name = not self._relays.has_taken_name(relay)
            made = relay if has_name else relay.model_copy(update={"name": None})
            claimed = build_claim(made, agent_id, stream_id, before, call.expires_at)
            self._relays.make([made], command, call, [claimed, *also])
            return made

        return optimistically(attempt, _ATTEMPTS)

    def _goes_on(self, found: Transcription, relay: Relay) -> bool:
        """Whether a call's transcription waits for its relay, or the relay is active."""
        if found.relay_id is None:
            return True
        last = self._relays.get(relay.tenant_id, relay.call_id, found.relay_id)
        return last is not None and last.is_active
