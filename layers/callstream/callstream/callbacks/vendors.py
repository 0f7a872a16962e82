"""The registry of vendors' callbacks: one module for each surface that has callbacks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from callstream.callbacks import asapp, signalwire, telnyx, twilio
from callstream.callbacks.model import CallbackRequest, RelayCallback
from callstream.tenants.directory import Surface, Tenant


class VendorCallbacks(Protocol):
    """What a vendor's module of callbacks offers."""

    def urls(self, callback: RelayCallback, tenant: Tenant) -> Sequence[str]:
        """The URL that gets a callback, and then its failover; none if the tenant has set none."""

    def request(
        self, callback: RelayCallback, tenant: Tenant, attempt: int, url: str
    ) -> CallbackRequest:
        """The unsigned request.

        Args:
            callback: the callback.
            tenant: the tenant that gets the callback.
            attempt: the attempt number, starting at 1.
            url: one of `urls`.
        """

    def sign(
        self, request: CallbackRequest, master: str, key_id: str, now: datetime
    ) -> CallbackRequest:
        """The request with its signature.

        Args:
            request: the unsigned request.
            master: the secret that all keys follow from.
            key_id: the tenant's `callback_key_id`.
            now: the time of the signature.
        """

    def verification_key(self, master: str, key_id: str) -> dict[str, str]:
        """The key that a tenant verifies its callbacks with, by the vendor's name for the key.

        Empty for a vendor that does not sign.
        """


VENDORS: Final[Mapping[Surface, VendorCallbacks | None]] = {
    "asapp": asapp,
    # Clerk Chat documents no callbacks.
    "clerk": None,
    "telnyx": telnyx,
    "signalwire": signalwire,
    "twilio": twilio,
}
"""The callbacks of every surface; None for a surface without callbacks of relays."""
