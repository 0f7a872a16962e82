"""The scripted agent: a water company's, which understands a handful of keywords."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from callstream_cli.dialogflow.script import Speech

WELCOME: Final = "WELCOME"
SILENCE: Final = frozenset({"NO_SPEECH_RECOGNIZED", "NO_INPUT", "sys.no-input-default"})
"""The events of a person who says nothing: Google's own of ES, and CX's."""

End = Literal["end_interaction", "live_agent_handoff", "transfer"]


@dataclass(frozen=True, slots=True)
class Input:
    """What reaches the agent: a text, keys or an event."""

    text: str = ""
    digits: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent answers. Without parts, it says nothing."""

    intent: str = ""
    parts: tuple[Speech, ...] = ()
    """All but the last may be sent as partial replies."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 1.0
    is_fallback: bool = False
    takes_keys: bool = False
    end: End | None = None
    handoff: Mapping[str, str] = field(default_factory=dict)
    """What a human is told who takes over."""
    transfer_to: str = ""
    """The phone number of a transfer."""

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(part.text for part in self.parts)

    @property
    def hands_off(self) -> bool:
        """Whether somebody else goes on."""
        return self.end in {"live_agent_handoff", "transfer"}


def _says(*names: str) -> tuple[Speech, ...]:
    return tuple(Speech(name) for name in names)


_WELCOME: Final = Answer(intent="welcome", parts=_says("welcome"))
_SILENCE: Final = Answer(intent="silence", parts=_says("silence"))
_FALLBACK: Final = Answer(
    intent="fallback", parts=_says("fallback"), is_fallback=True, confidence=0.3
)

# The first that matches counts.
_BY_KEYWORD: Final[tuple[tuple[frozenset[str], Answer], ...]] = (
    (
        frozenset({"danger", "emergency", "flood", "fire"}),
        Answer(
            intent="emergency", parts=_says("emergency"), end="transfer", transfer_to="+15005550100"
        ),
    ),
    (
        frozenset({"person", "human", "somebody", "someone", "agent", "operator"}),
        Answer(
            intent="person",
            parts=_says("person"),
            end="live_agent_handoff",
            handoff={"reason": "the caller wants a person"},
        ),
    ),
    (
        frozenset({"bill", "pay", "account", "invoice"}),
        Answer(intent="bill", parts=_says("bill"), takes_keys=True),
    ),
    (
        frozenset({"water", "leak", "repair"}),
        Answer(intent="outage", parts=_says("looking", "repair")),
    ),
    (frozenset({"open", "hours", "closed"}), Answer(intent="hours", parts=_says("hours"))),
    (
        frozenset({"live", "street", "bridge", "address"}),
        Answer(intent="address", parts=_says("address")),
    ),
    (
        frozenset({"goodbye", "bye", "thanks", "thank"}),
        Answer(intent="goodbye", parts=_says("goodbye"), end="end_interaction"),
    ),
    (frozenset({"hello", "hi"}), _WELCOME),
)
_WORD: Final = re.compile(r"[a-z']+")


def answer(said: Input) -> Answer:
    """Answer one input."""
    if said.event == WELCOME:
        return _WELCOME
    if said.event in SILENCE:
        return _SILENCE
    if said.event:
        # No intent has this event.
        return Answer()
    if said.digits:
        account = said.digits.rstrip("#")
        return Answer(intent="account", parts=_says("account"), parameters={"account": account})
    words = frozenset(_WORD.findall(said.text.lower()))
    for keywords, known in _BY_KEYWORD:
        if words & keywords:
            return known
    return _FALLBACK


_MOODS: Final[Mapping[float, frozenset[str]]] = {
    -0.8: frozenset({"angry", "terrible", "awful", "bad", "danger", "off"}),
    0.8: frozenset({"good", "great", "thank", "thanks", "please"}),
}


def sentiment(text: str) -> float:
    """How somebody feels who says so: from -1, badly, to 1."""
    words = frozenset(_WORD.findall(text.lower()))
    return sum(score for score, known in _MOODS.items() if words & known)
