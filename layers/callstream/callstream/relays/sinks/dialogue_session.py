"""The side of the agent in a run: its dialogue begins, goes on, and ends."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from callstream.audio.formats import AudioFormat
from callstream.dialogues.model import DialogueSettings
from callstream.dialogues.virtual_agent import (
    SAMPLE_RATE,
    AgentFailed,
    Dialogue,
    DialogueTerms,
    VirtualAgent,
)
from callstream.relays.model import Relay
from callstream.relays.sinks.dialogue_recovery import Recovery

_logger = logging.getLogger(__name__)

_LAST_SECONDS: Final = 10.0
"""An agent has so many seconds to end a dialogue."""


class DialogueSession:
    """The dialogue of one run of a relay.

    Args:
        relay: the relay, with the settings of the dialogue.
        make_agent: makes the tenant's agent; blocking. Raises `AgentFailed`, `Unavailable`.
    """

    def __init__(self, relay: Relay, make_agent: Callable[[], VirtualAgent]) -> None:
        self._settings = relay.dialogue or DialogueSettings(connection_id="")
        self._relay_id = relay.relay_id
        self._make_agent = make_agent
        self._agent: VirtualAgent | None = None
        self._dialogue: Dialogue | None = None
        self._ending: asyncio.Task[None] | None = None

    async def prepare(self) -> VirtualAgent:
        """Make the agent, which takes its time. Raises `AgentFailed`, `Unavailable`."""
        if self._agent is None:
            self._agent = await asyncio.to_thread(self._make_agent)
        return self._agent

    async def begin(self, encoding: str) -> Dialogue:
        """Begin the dialogue, with replies in this codec. Raises `AgentFailed`, `Unavailable`."""

        async def begin() -> Dialogue:
            agent = await self.prepare()
            return await agent.begin(self._terms(encoding), self._relay_id)

        self._dialogue = await Recovery(self._relay_id).persist(begin)
        return self._dialogue

    async def resume(self, encoding: str, session: str) -> Dialogue:
        """Go on with the dialogue that has begun. Raises `AgentFailed`, `Unavailable`."""
        if self._dialogue is None:
            agent = await self.prepare()
            self._dialogue = await agent.resume(self._terms(encoding), session)
        return self._dialogue

    async def take_back(self, encoding: str, session: str) -> None:
        """Get hold of the dialogue of the run before, only to end it. Raises `Unavailable`."""
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await self.resume(encoding, session)
        except (AgentFailed, TimeoutError) as failed:
            self.log("the dialogue cannot be ended at the agent's service", failed)

    async def end(self) -> None:
        """End the dialogue at the service, if there is one.

        If the caller is cancelled, that goes on; another caller waits for it.
        """
        if self._ending is None and self._dialogue is not None:
            self._ending = asyncio.create_task(self._end(self._dialogue))
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def close(self) -> None:
        """Close the connection to the service."""
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.close()

    def log(self, message: str, failed: AgentFailed | TimeoutError) -> None:
        """Log a failure, with its reason alone."""
        reason = failed.reason if isinstance(failed, AgentFailed) else "timeout"
        _logger.warning("%s: %s", message, reason, extra={"relay_id": self._relay_id})

    async def _end(self, dialogue: Dialogue) -> None:
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await dialogue.end()
        except (AgentFailed, TimeoutError) as failed:
            self.log("the dialogue is not ended at the agent's service", failed)

    def _terms(self, encoding: str) -> DialogueTerms:
        return DialogueTerms(
            reply_format=reply_format(encoding),
            analyzes_sentiment=self._settings.analyzes_sentiment,
            partial_replies=self._settings.partial_replies,
        )


def reply_format(encoding: str) -> AudioFormat:
    """The format of replies in a codec."""
    return AudioFormat(encoding, SAMPLE_RATE, 1)
