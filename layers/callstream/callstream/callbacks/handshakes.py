"""The signatures of the handshakes with consumers: Twilio tells servers to check its signature.

This is a registry of its own, so that relays need not load what other vendors' callbacks need.
"""

from collections.abc import Callable, Mapping
from typing import Final

from callstream.callbacks import twilio
from callstream.tenants.directory import Surface

HANDSHAKES: Final[Mapping[Surface, Callable[[str, str, str], Mapping[str, str]]]] = {
    "twilio": twilio.sign_handshake,
}
"""By surface the function that makes the headers for a URL, of the master and the tenant's
`callback_key_id`; nothing for vendors that do not sign handshakes."""
