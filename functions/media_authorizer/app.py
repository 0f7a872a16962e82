"""The authorizer of the media WebSocket API: lets in who has a valid stream token."""

import logging
import os
from typing import Any
from uuid import uuid4

from callstream.adapters.secrets import StoredKeyRing
from callstream.errors import TokenRejected
from callstream.identity import StreamIdentity
from callstream.settings import KeysSettings, load
from callstream.websocket import authorizer_context

_logger = logging.getLogger("callstream")
_keys = StoredKeyRing(load(KeysSettings, os.environ).signing_keys_secret)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway with a policy. If an outage keeps us from checking, raise: 500."""
    text = (event.get("queryStringParameters") or {}).get("token", "")
    try:
        token = _keys.current().verify(text)
    except TokenRejected as rejected:
        _logger.info("connection refused: %s", rejected.reason)
        return _policy("Deny", "anonymous", event["methodArn"], {})
    identity = StreamIdentity(str(uuid4()), token.tenant_id, token.route)
    context = authorizer_context(identity, token)
    return _policy("Allow", token.tenant_id, event["methodArn"], context)


def _policy(effect: str, principal: str, resource: str, context: dict[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
