"""The tenants of the local stack: those of the stack before, and the demo tenant."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from callstream.errors import UnreadableItem
from callstream.tenants.directory import SURFACES, Credential
from callstream_cli.local.description import DEMO_INBOX, DEMO_TENANT
from callstream_cli.local.errors import KeptStateError
from callstream_cli.local.kept import DemoCredentials, Kept
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.signatures import callback_keys


def restore_and_seed(
    outputs: Mapping[str, str], kept: Kept
) -> tuple[DemoCredentials, dict[str, dict[str, str]]]:
    """Restore what was kept, and see to it that there is a demo tenant.

    Returns:
        The demo tenant's credentials: to be kept, and as they are shown.

    Raises:
        KeptStateError: this version cannot use the kept state.
    """
    try:
        return seed_demo_tenant(outputs, kept.restore(outputs))
    except (BotoCoreError, ClientError, OperatorError, UnreadableItem, ValidationError) as error:
        if not kept.state.exists():
            raise
        raise KeptStateError(kept.state, " ".join(str(error).split())) from error


def seed_demo_tenant(
    outputs: Mapping[str, str], known: DemoCredentials | None = None
) -> tuple[DemoCredentials, dict[str, dict[str, str]]]:
    """Create what is missing of the demo tenant: itself, its inbox, a credential for each surface.

    Args:
        outputs: the outputs of the stack.
        known: its credentials, of which those that were deleted are made anew.

    Returns:
        Its credentials: with their ids, and as they are shown, with the keys of callbacks.
    """
    administration = Administration(outputs)
    directory = administration.directory
    tenant = directory.tenant(DEMO_TENANT) or administration.create_tenant(DEMO_TENANT, "Demo")
    if directory.inbox(DEMO_TENANT, DEMO_INBOX) is None:
        administration.create_inbox(DEMO_TENANT, DEMO_INBOX, "Demo")
    there = {
        (entry.surface, entry.credential_id)
        for entry in directory.entries()
        if isinstance(entry, Credential) and entry.tenant_id == DEMO_TENANT
    }
    credentials: dict[str, Mapping[str, Any]] = {}
    for surface in SURFACES:
        kept = (known or {}).get(surface)
        if kept is not None and (surface, kept["credential_id"]) in there:
            credentials[surface] = kept
            continue
        made = administration.create_credential(tenant, surface, label="demo")
        id_ = made.credential.credential_id
        credentials[surface] = {"credential_id": id_, "shown": made.shown}
    keys = callback_keys(administration, tenant)
    shown: dict[str, dict[str, str]] = {
        # Twilio's AuthToken opens the API, whatever signs callbacks meanwhile.
        surface: {**issued, **keys.get(surface, {}), **issued}
        for surface in SURFACES
        for issued in (credentials[surface]["shown"],)
    }
    return credentials, shown
