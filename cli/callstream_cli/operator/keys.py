"""``callstream keys``: the keys that sign media URLs."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from callstream.access.tokens import RING_CACHE, KeyRing
from callstream.adapters import clock
from callstream.adapters.aws.secrets_manager import StoredKeyRing, rotate_signing_keys
from callstream_cli.deployment import outputs_of
from callstream_cli.operator.errors import output
from callstream_cli.operator.options import Json, Stack
from callstream_cli.operator.output import show_json, show_table

_OUTPUT: Final = "SigningKeysSecretArn"


def list_(*, stack: Stack = None, as_json: Json = False) -> None:
    """List the keys of media URLs, and which key signs now. The keys themselves are never shown."""
    with outputs_of(stack) as outputs:
        ring = StoredKeyRing(output(outputs, _OUTPUT)).current()
    _show(ring, as_json=as_json)


def rotate(*, stack: Stack = None, as_json: Json = False) -> None:
    """Sign media URLs with a new key, a minute later. Old URLs stay valid until they expire."""
    with outputs_of(stack) as outputs:
        ring = rotate_signing_keys(output(outputs, _OUTPUT), clock.now())
    _show(ring, as_json=as_json)


def states(ring: KeyRing, now: datetime) -> Iterator[dict[str, Any]]:
    """The name and state of every key, the newest last; the first key has no `signs_from`."""
    signing = ring.signing_key(now)
    state = "verifies"
    for key in ring.keys:
        if key == signing:
            state = "signs"
        elif state == "signs":
            state = "waits"
        signs_from = None if key.created_at is None else key.created_at + RING_CACHE
        yield {
            "kid": key.kid,
            "state": state,
            "signs_from": None if signs_from is None else signs_from.isoformat(),
        }


def _show(ring: KeyRing, *, as_json: bool) -> None:
    keys = list(states(ring, clock.now()))
    if as_json:
        show_json(keys)
        return
    show_table(
        ["key", "state", "signs from"],
        [(key["kid"], key["state"], key["signs_from"] or "the beginning") for key in keys],
        otherwise="",
    )
