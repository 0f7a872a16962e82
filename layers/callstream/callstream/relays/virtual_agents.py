"""Which of a tenant's virtual agents takes part in a call."""

from dataclasses import dataclass

from callstream.calls.store import StreamStore
from callstream.dialogues.connections import ConnectionStore
from callstream.errors import Conflict, UnknownCall


class NoVirtualAgent(Conflict):
    """This deployment reaches no virtual agents."""


class NoConnection(Conflict):
    """The tenant has stored no connection to a virtual agent that is for the call."""


@dataclass(frozen=True, slots=True)
class VirtualAgents:
    """Finds the virtual agent that takes part in a call.

    `connections` is None where no virtual agents can be reached.
    """

    streams: StreamStore
    connections: ConnectionStore | None

    def connection_for(self, tenant_id: str, call_id: str) -> str:
        """The id of the stored connection to the agent that takes part in a call.

        Raises:
            UnknownCall: the tenant has no such call.
            NoVirtualAgent, NoConnection
            Unavailable: a table did not answer.
        """
        call = self.streams.call(tenant_id, call_id)
        if call is None:
            raise UnknownCall("no such call of this tenant")
        if self.connections is None:
            raise NoVirtualAgent("no virtual agents are deployed")
        streams = self.streams.open_streams(tenant_id, call_id)
        inboxes = [inbox for each in streams if (inbox := each.attributes.get("inbox"))]
        found = self.connections.for_call(
            tenant_id, inbox=inboxes[0] if inboxes else None, account_id=call.account_id
        )
        if found is None:
            raise NoConnection("the call has no connection")
        return found.connection_id
