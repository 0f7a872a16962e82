"""The scripted agent: a water company's, which understands a handful of keywords and keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


_WELCOME: Final = Answer(intent="welcome", parts=_says("welcome"), takes_keys=True)
_SILENCE: Final = Answer(intent="silence", parts=_says("silence"), takes_keys=True)
_FALLBACK: Final = Answer(
    intent="fallback",
    parts=_says("fallback"),
    is_fallback=True,
    confidence=0.3,
    takes_keys=True,
)

_EMERGENCY: Final = Answer(
    intent="emergency", parts=_says("emergency"), end="transfer", transfer_to="+15005550100"
)
_PERSON: Final = Answer(
    intent="person",
    parts=_says("person"),
    end="live_agent_handoff",
    handoff={"reason": "the caller wants a person"},
)
_BILL: Final = Answer(intent="bill", parts=_says("bill"), takes_keys=True)
_OUTAGE: Final = Answer(intent="outage", parts=_says("looking", "repair"))
_HOURS: Final = Answer(intent="hours", parts=_says("hours"))
_ADDRESS: Final = Answer(intent="address", parts=_says("address"))
_GOODBYE: Final = Answer(intent="goodbye", parts=_says("goodbye"), end="end_interaction")

# The first that matches counts.
_BY_KEYWORD: Final[tuple[tuple[frozenset[str], Answer], ...]] = (
    (frozenset({"danger", "emergency", "flood", "fire"}), _EMERGENCY),
    (frozenset({"person", "human", "somebody", "someone", "operator"}), _PERSON),
    (frozenset({"bill", "pay", "account", "invoice"}), _BILL),
    (frozenset({"water", "leak", "repair"}), _OUTAGE),
    (frozenset({"open", "hours", "closed"}), _HOURS),
    (frozenset({"live", "street", "bridge", "address"}), _ADDRESS),
    (frozenset({"goodbye", "bye", "thanks", "thank"}), _GOODBYE),
    (frozenset({"hello", "hi"}), _WELCOME),
)
_BY_KEY: Final = {"1": _OUTAGE, "2": _HOURS, "3": _BILL, "0": _PERSON, "9": _GOODBYE}
_KEYS: Final = re.compile(r"[0-9*#A-D]+")
_WORD: Final = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class Agent:
    """Answers one input after the other; remembers nothing.

    Args:
        hears: whether speech is recognised. If not, the agent offers keys.
    """

    hears: bool = True

    def answer(self, said: Input) -> Answer:
        """Answer one input. An event that no intent has gets an answer without parts."""
        if said.event:
            known = _WELCOME if said.event == WELCOME else _SILENCE
            found = known if said.event in {WELCOME, *SILENCE} else Answer()
        elif digits := said.digits or _only_keys(said.text):
            found = self._of_keys(digits.rstrip("#"))
        else:
            words = frozenset(_WORD.findall(said.text.lower()))
            found = next((each for keys, each in _BY_KEYWORD if words & keys), _FALLBACK)
        if self.hears or found.end:
            return found
        offers = found.takes_keys and found is not _BILL
        parts = (*found.parts, *_says("keys")) if offers else found.parts
        return replace(found, takes_keys=True, parts=parts)

    @staticmethod
    def _of_keys(digits: str) -> Answer:
        if len(digits) > 1:
            # The number that the question about the bill asks for.
            return Answer(intent="account", parts=_says("account"), parameters={"account": digits})
        return _BY_KEY.get(digits, _FALLBACK)


def _only_keys(text: str) -> str:
    """The keys of a text that has nothing else: so they come where no keys are taken."""
    return text if _KEYS.fullmatch(text) else ""


_MOODS: Final[Mapping[float, frozenset[str]]] = {
    -0.8: frozenset({"angry", "terrible", "awful", "bad", "danger", "off"}),
    0.8: frozenset({"good", "great", "thank", "thanks", "please"}),
}


def sentiment(text: str) -> float:
    """How somebody feels who says so: from -1, badly, to 1."""
    words = frozenset(_WORD.findall(text.lower()))
    return sum(score for score, known in _MOODS.items() if words & known)
