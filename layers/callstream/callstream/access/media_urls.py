"""Media URLs: the URLs that carriers connect to, each with a token that opens the connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callstream.access.tokens import KeyRing
from callstream.identity import SinkKind, TwilioSignature, Use
from callstream.warm_up import WarmUps


class KeyRingSource(Protocol):
    """The store of the signing keys."""

    def current(self) -> KeyRing:
        """The ring, at most `tokens.RING_CACHE` old. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class MediaUrls:
    """Makes media URLs. In `template`, `{path}` is the vendor's path, `{token}` the token.

    A URL is the promise of a call, so `warm_ups` starts what the call needs; None starts nothing.
    """

    keys: KeyRingSource
    template: str
    warm_ups: WarmUps | None = None

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
        client_sink: SinkKind | None = None,
    ) -> str:
        """A URL that is valid for five minutes.

        Args:
            path: the part of the URL that the vendor's API documents.
            tenant_id: the tenant whose stream the URL opens.
            route: what the stream is for.
            use: how many streams the URL opens.
            now: the present.
            twilio_signature: the tenant's choice, for the authorizer, which reads no table.
            attributes: what the stream will carry along.
            client_sink: where the audio goes of a client that streams its own; None for carriers.

        Raises:
            Unavailable: the signing keys cannot be read.
        """
        # First, so that functions start while this one still works.
        if self.warm_ups is not None:
            if client_sink is None:
                self.warm_ups.expect_call(tenant_id, route, (attributes or {}).get("inbox", ""))
            else:
                self.warm_ups.expect_client(client_sink)
        token = self.keys.current().sign(
            tenant_id=tenant_id,
            route=route,
            use=use,
            now=now,
            attributes=attributes,
            twilio_signature=twilio_signature,
        )
        return self.template.format(path=path, token=token)
