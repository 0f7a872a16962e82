"""Media URLs: where a carrier shall stream to, and the token that lets it in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callstream.access.tokens import KeyRing
from callstream.identity import TwilioSignature, Use


class KeyRingSource(Protocol):
    """Where the signing keys are kept."""

    def current(self) -> KeyRing:
        """The ring, at most `tokens.RING_CACHE` old. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class MediaUrls:
    """Mints media URLs. `template` has `{path}`, the vendor's own, and `{token}`."""

    keys: KeyRingSource
    template: str

    def mint(
        self,
        *,
        path: str,
        tenant_id: str,
        route: str,
        use: Use,
        now: datetime,
        twilio_signature: TwilioSignature,
        attributes: Mapping[str, str] | None = None,
    ) -> str:
        """A URL that is good for five minutes. Raises `Unavailable` if the keys cannot be read.

        `twilio_signature` is the tenant's: the authorizer reads no table, so the token tells it.
        """
        token = self.keys.current().sign(
            tenant_id=tenant_id,
            route=route,
            use=use,
            now=now,
            attributes=attributes,
            twilio_signature=twilio_signature,
        )
        return self.template.format(path=path, token=token)
