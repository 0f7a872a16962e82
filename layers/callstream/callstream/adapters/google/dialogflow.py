"""The virtual agent of Dialogflow ES and CX."""

from callstream.adapters.google.names import Connection, Names
from callstream.dialogues.virtual_agent import AgentFailed, Dialogue, DialogueTerms


class DialogflowAgent:
    """A tenant's agent of Dialogflow.

    Args:
        connection: says where Google has the agent.
        key_json: the key file of a service account, as stored. Secret: never log it.
        endpoint: `host:port` of a stand-in on the local stack, which is reached without TLS and
            without the key; None is Google.

    Raises:
        AgentFailed: the connection or the key is none that Google could take.
    """

    def __init__(self, connection: Connection, key_json: str, endpoint: str | None = None) -> None:
        self._names = Names(connection)
        self._key_json = key_json
        self._endpoint = endpoint

    async def begin(self, terms: DialogueTerms, name: str) -> Dialogue:
        """Begin a dialogue; see `callstream.dialogues.virtual_agent.VirtualAgent`."""
        raise AgentFailed(f"no {terms} for {name} yet")

    async def resume(self, terms: DialogueTerms, session: str) -> Dialogue:
        """Go on with a dialogue; see `callstream.dialogues.virtual_agent.VirtualAgent`."""
        raise AgentFailed(f"no {terms} for {session} yet")

    async def close(self) -> None:
        """Close the connection to Google."""
