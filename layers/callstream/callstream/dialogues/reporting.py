"""The port that brings a tenant what happens in a dialogue."""

from typing import Literal, Protocol

from callstream.dialogues.virtual_agent import DialogueEnd, Heard, Reply

EndReason = Literal[
    "end_interaction", "live_agent_handoff", "transfer", "hangup", "stopped", "error"
]
"""Why a dialogue is over: the agent has ended it, in one of three ways; the call is over; a command
has stopped the relay; the relay has failed."""


class DialogueReporter(Protocol):
    """Reports a dialogue to its tenant, once for each number. Blocking; may raise `Unavailable`.

    Numbers count the reports of a relay, from 1 on: a report that is repeated has its number again.
    Long texts are shortened, so every report fits its queue.
    """

    def heard(self, number: int, heard: Heard) -> None:
        """The person has said something; `heard` is final."""

    def replied(self, number: int, reply: Reply) -> None:
        """The agent has replied; the audio is not part of the report."""

    def ended(self, number: int, reason: EndReason, end: DialogueEnd | None) -> None:
        """The dialogue is over. `end` is what the agent has said about that, if it has."""
