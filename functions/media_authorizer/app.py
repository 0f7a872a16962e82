"""The authorizer of the media WebSocket API: accepts connections with a valid stream token.

If the tenant demands it, Twilio must have signed the handshake too.
"""

import logging
import os
from typing import Any

from callstream.access.twilio_signature import Handshake, check
from callstream.access.websocket_events import authorizer_context
from callstream.adapters.aws.secrets_manager import StoredKeyRing, TwilioAuthTokens
from callstream.adapters.aws.warm_up_event import warmable
from callstream.errors import TokenRejected
from callstream.identity import StreamIdentity, StreamToken
from callstream.wiring.placement import placement
from callstream.wiring.settings import KeysSettings, TwilioSettings, load

_logger = logging.getLogger("callstream")
_keys = StoredKeyRing(load(KeysSettings, os.environ).signing_keys_secret)
_placement = placement(os.environ)
_auth_tokens = TwilioAuthTokens(load(TwilioSettings, os.environ).twilio_secrets_prefix)


def _prepare(_about: object) -> None:
    """Read what the first handshake would wait for."""
    _keys.current()
    _placement.warm_up()


@warmable(_prepare)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway with a policy. In an outage, raise: the carrier gets status 500."""
    handshake = Handshake.from_event(event)
    token: StreamToken | None = None
    try:
        token = _keys.current().verify(handshake.token)
        check(handshake, token, _auth_tokens.read)
    except TokenRejected as rejected:
        # Only a verified token names its tenant.
        whose = {} if token is None else {"tenant_id": token.tenant_id}
        _logger.info("connection refused: %s", rejected.reason, extra=whose)
        return _policy("Deny", "anonymous", event["methodArn"], {})
    identity = StreamIdentity(_placement.new_id(), token.tenant_id, token.route)
    context = authorizer_context(identity, token)
    return _policy("Allow", token.tenant_id, event["methodArn"], context)


def _policy(effect: str, principal: str, resource: str, context: dict[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
