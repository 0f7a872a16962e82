"""The port of those who watch what happens at the server."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from callstream_cli.dialogflow.agent import Answer, Input


@dataclass(slots=True)
class Call:
    """What a client has asked for, and how that has ended."""

    method: str
    """The name of the RPC, such as `StreamingAnalyzeContent`."""
    messages: list[Any] = field(default_factory=list)
    """The client's messages, without those that have audio only."""
    audio: bytearray = field(default_factory=bytearray)
    """The audio that came, as it came."""
    pieces: int = 0
    """How many messages had audio."""
    responses: list[Any] = field(default_factory=list)
    """The messages that were sent."""
    is_half_closed: bool = False
    status: str | None = None
    """The name of the status at the end; None while the call goes on, `CANCELLED` if the client
    has given up."""
    details: str = ""
    """The text beside the status."""

    @property
    def request(self) -> Any:  # noqa: ANN401 - as the method has it
        """The first message."""
        return self.messages[0]


class Watcher(Protocol):
    """Learns what happens. The methods run in threads of the server."""

    def began(self, conversation: str) -> None:
        """A conversation or session has begun."""

    def answered(self, conversation: str, said: Input, answer: Answer) -> None:
        """The agent has answered an input."""

    def completed(self, conversation: str) -> None:
        """The client has completed a conversation."""

    def ended(self, call: Call) -> None:
        """A client's call is over."""


class Nobody:
    """Watches nothing."""

    def began(self, conversation: str) -> None:
        """A conversation or session has begun."""

    def answered(self, conversation: str, said: Input, answer: Answer) -> None:
        """The agent has answered an input."""

    def completed(self, conversation: str) -> None:
        """The client has completed a conversation."""

    def ended(self, call: Call) -> None:
        """A client's call is over."""
