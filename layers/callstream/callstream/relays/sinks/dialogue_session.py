"""The side of the agent in a run: its dialogue begins, goes on, and ends."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from callstream.dialogues.virtual_agent import AgentFailed, Dialogue, DialogueTerms, VirtualAgent
from callstream.relays.sinks.dialogue_recovery import Recovery

_logger = logging.getLogger(__name__)

_LAST_SECONDS: Final = 10.0
"""An agent has so many seconds to end a dialogue."""


class DialogueSession:
    """The dialogue of one run of a relay.

    Args:
        make_agent: makes the tenant's agent; blocking. Raises `AgentFailed`, `Unavailable`.
        relay_id: the relay.
    """

    def __init__(self, make_agent: Callable[[], VirtualAgent], relay_id: str) -> None:
        self._make_agent = make_agent
        self._relay_id = relay_id
        self._agent: VirtualAgent | None = None
        self._dialogue: Dialogue | None = None

    async def prepare(self) -> VirtualAgent:
        """Make the agent, which takes its time. Raises `AgentFailed`, `Unavailable`."""
        if self._agent is None:
            self._agent = await asyncio.to_thread(self._make_agent)
        return self._agent

    async def begin(self, terms: DialogueTerms) -> Dialogue:
        """Begin the dialogue. Raises `AgentFailed`, `Unavailable`."""

        async def begin() -> Dialogue:
            agent = await self.prepare()
            return await agent.begin(terms, self._relay_id)

        self._dialogue = await Recovery(self._relay_id).persist(begin)
        return self._dialogue

    async def resume(self, terms: DialogueTerms, session: str) -> Dialogue:
        """Go on with the dialogue that has begun. Raises `AgentFailed`, `Unavailable`."""
        if self._dialogue is None:
            agent = await self.prepare()
            self._dialogue = await agent.resume(terms, session)
        return self._dialogue

    async def end(self) -> None:
        """End the dialogue at the service, if there is one."""
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            try:
                async with asyncio.timeout(_LAST_SECONDS):
                    await dialogue.end()
            except (AgentFailed, TimeoutError) as failed:
                self.log("the dialogue is not ended at the agent's service", failed)

    async def close(self) -> None:
        """Close the connection to the service."""
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.close()

    def log(self, message: str, failed: AgentFailed | TimeoutError) -> None:
        """Log a failure, with its reason alone."""
        reason = failed.reason if isinstance(failed, AgentFailed) else "timeout"
        _logger.warning("%s: %s", message, reason, extra={"relay_id": self._relay_id})
