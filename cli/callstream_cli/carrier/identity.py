"""The ids of a simulated call, in each carrier's own form."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal
from uuid import UUID

type CarrierName = Literal["twilio", "telnyx", "signalwire"]
"""The carriers that the simulator can imitate, by the names of their dialects."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The ids of a call's stream; `session_id` is common to the legs of a call."""

    carrier: CarrierName
    stream_id: str
    call_id: str
    account_id: str
    session_id: str | None = None

    def named(self) -> Mapping[str, str]:
        """The ids, by the carrier's names for them."""
        stream, call, account = _NAMES[self.carrier]
        ids = {stream: self.stream_id, call: self.call_id, account: self.account_id}
        return ids | ({"call_session_id": self.session_id} if self.session_id else {})


def made_up(carrier: CarrierName, random: Random) -> Identity:
    """Random ids in the carrier's form."""
    match carrier:
        case "twilio":
            ids = (f"{prefix}{random.getrandbits(128):032x}" for prefix in ("MZ", "CA", "AC"))
            return Identity(carrier, *ids)
        case "telnyx":
            call = urlsafe_b64encode(random.randbytes(33)).decode()
            return Identity(carrier, _uuid(random), f"v3:{call}", _uuid(random), _uuid(random))
        case "signalwire":
            return Identity(carrier, _uuid(random), _uuid(random), _uuid(random))


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


# The carriers' names of the ids of stream, call and account.
_NAMES: Final = {
    "twilio": ("stream_sid", "call_sid", "account_sid"),
    "telnyx": ("stream_id", "call_control_id", "user_id"),
    "signalwire": ("stream_sid", "call_sid", "account_sid"),
}
