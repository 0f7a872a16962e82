"""The port of virtual agents: what a service such as Dialogflow offers.

A dialogue is the conversation of one relay with an agent. It consists of turns: in each, the agent
hears the person until the end of an utterance, and replies. The audio of a turn is 16-bit linear
PCM at 8 kHz, little-endian, mono. Replies are in the format that the settings name; L16 is
little-endian there, too, and no reply has a file's header.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

from msgspec import Struct, field

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.errors import CallstreamError

SAMPLE_RATE: Final = 8000
"""Samples a second of the audio of turns; a sample has two bytes."""

Remedy = Literal["repeat", "renew", "wait", "none"]
"""What helps after a failure: the same once more; a new turn, because the old one has ended in its
usual way; the same after a pause, because the service is busy; nothing."""


class AgentFailed(CallstreamError):
    """The service refuses, or has failed.

    Args:
        reason: one of a small set of ours, safe to log; holds nothing that was said.
        remedy: what helps.
    """

    def __init__(self, reason: str, remedy: Remedy = "none") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy: Remedy = remedy


class DialogueTerms(Struct, frozen=True):
    """What a dialogue is to be like.

    `reply_format` is PCMU, PCMA or L16, at 8 kHz.
    """

    reply_format: AudioFormat = PCMU_8K
    analyzes_sentiment: bool = False
    partial_replies: bool = False


class SpeechBegan(Struct, frozen=True):
    """The person has begun to speak."""


class Heard(Struct, frozen=True):
    """What the service has understood so far: never log it. `end_ms` is of the turn's audio."""

    text: str
    is_final: bool
    confidence: float = 0.0
    end_ms: int | None = None

    def __repr__(self) -> str:
        return f"Heard({self.is_final})"


class UtteranceEnded(Struct, frozen=True):
    """The person has ended an utterance: audio from here on belongs to the next turn."""


class Sentiment(Struct, frozen=True):
    """`score` is from -1 (negative) to 1, `magnitude` from 0 up without a limit."""

    score: float
    magnitude: float


class DialogueEnd(Struct, frozen=True):
    """The agent is done: after this reply nothing follows.

    `metadata` is what the agent says to a human who takes over, `destination` the phone number or
    SIP URI of a transfer. Never log them.
    """

    kind: Literal["end_interaction", "live_agent_handoff", "transfer"]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    destination: str | None = None

    def __repr__(self) -> str:
        return f"DialogueEnd({self.kind!r})"


class KeysWanted(Struct, frozen=True):
    """The agent takes keys now: at most `most`, of which `finish` is the last ("" for none)."""

    most: int
    finish: str = ""


class Reply(Struct, frozen=True):
    """An answer of the agent: never log it.

    `audio` may be empty. Between partial replies and the last reply of a turn, `is_partial` says
    which this is; audio that is `uninterruptible` is not cut off when the person speaks.
    """

    audio: bytes
    text: str = ""
    is_partial: bool = False
    is_uninterruptible: bool = False
    intent: str | None = None
    event: str | None = None
    match_confidence: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sentiment: Sentiment | None = None
    keys: KeysWanted | None = None
    end: DialogueEnd | None = None

    def __repr__(self) -> str:
        return f"Reply({len(self.audio)} bytes)"


TurnEvent = SpeechBegan | Heard | UtteranceEnded | Reply


class Turn(Protocol):
    """One turn. `feed`, `press` and `finish` never wait; `receive` runs meanwhile."""

    @property
    def longest_s(self) -> float:
        """After how many seconds of audio `finish` must be called: the service's limit."""

    def feed(self, audio: bytes) -> None:
        """Send audio: pieces of 100 ms cost the least. After `finish` this has no effect."""

    def press(self, digits: str, *, are_wanted: bool) -> None:
        """Send keys that the person has pressed, instead of speech; then call `finish`.

        Args:
            digits: the keys.
            are_wanted: whether the agent's last reply has said that the agent takes keys.
        """

    def finish(self) -> None:
        """Say that the audio ends here; then `receive` gives the rest."""

    async def receive(self) -> TurnEvent | None:
        """Wait for the next event; None when the turn is over.

        Raises:
            AgentFailed: the turn has failed.
        """

    async def close(self) -> None:
        """Give up the turn, in any state: the agent must not act on what it has heard."""


class Dialogue(Protocol):
    """One dialogue. Its methods may raise `AgentFailed`."""

    @property
    def session(self) -> str:
        """The name from which `VirtualAgent.resume` goes on, also in another process."""

    async def greet(self) -> list[Reply]:
        """Let the agent begin; empty if the agent has no greeting."""

    async def report_silence(self) -> list[Reply]:
        """Say that the person has said nothing for a while; empty if the agent does not mind."""

    async def listen(self) -> Turn:
        """Begin a turn."""

    async def end(self) -> None:
        """End the dialogue at the service. Nothing else may be called afterwards."""


class VirtualAgent(Protocol):
    """A virtual agent of a tenant."""

    async def begin(self, terms: DialogueTerms, name: str) -> Dialogue:
        """Begin a dialogue; `name` is unique, at most 36 letters, digits and hyphens.

        Raises:
            AgentFailed: the service refuses.
        """

    async def resume(self, terms: DialogueTerms, session: str) -> Dialogue:
        """Go on with a dialogue that another run has begun; asks nothing of the service.

        Raises:
            AgentFailed: the service cannot be reached at all.
        """

    async def close(self) -> None:
        """Close the connections to the service."""
