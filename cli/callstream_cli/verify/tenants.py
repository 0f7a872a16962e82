"""The tenants of a run: made for it, and deleted at its end, however it ends."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Final

from callstream.tenants.directory import SURFACES, Tenant
from callstream_cli.local.description import StackDescription
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import OperatorError
from callstream_cli.refusals import in_words
from callstream_cli.verify.deployed import Deployed

INBOX: Final = "verify"
_PREFIX: Final = "verify"
_TIME: Final = "%Y%m%dT%H%M%SZ"
_ID: Final = re.compile(rf"{_PREFIX}-(\d{{8}}T\d{{6}}Z)-[0-9a-f]+-(?:caller|consumer)")
# No run takes so long.
_ABANDONED: Final = timedelta(hours=3)


class NotDeleted(OperatorError):
    """Tenants of a run are still there."""


@dataclass(frozen=True, slots=True)
class Party:
    """A tenant of the run, and the stack with the tenant's credentials."""

    tenant: Tenant
    stack: StackDescription

    @property
    def id(self) -> str:
        """The tenant's id."""
        return self.tenant.tenant_id


@dataclass(frozen=True, slots=True)
class Parties:
    """Both tenants. The calls are the caller's.

    A fork has the id of its call. So a fork that is streamed back to the gateway has to be another
    tenant's: otherwise it would be one more stream of the call, and would be forked too.
    """

    caller: Party
    consumer: Party


@contextmanager
def parties(deployed: Deployed, administration: Administration) -> Iterator[Parties]:
    """Two new tenants with credentials; they are deleted afterwards.

    While they are deleted, signals that would end this process wait.

    Raises:
        ClientError: AWS refuses.
        BotoCoreError: AWS does not answer.
        Unavailable: as before.
        NotDeleted: not both are deleted.
    """
    run = f"{_PREFIX}-{datetime.now(UTC):{_TIME}}-{token_hex(3)}"
    made: list[str] = []

    def make(role: str) -> Party:
        # Before the tenant is made: its deletion also works if there is only a part of it.
        made.append(f"{run}-{role}")
        tenant = administration.create_tenant(made[-1], f"callstream verify: {role}")
        administration.create_inbox(tenant.tenant_id, INBOX, "callstream verify")
        credentials: dict[str, dict[str, str]] = {
            surface: administration.create_credential(
                tenant, surface, label="callstream verify"
            ).shown
            for surface in SURFACES
        }
        return Party(tenant, deployed.describe(credentials))

    try:
        yield Parties(make("caller"), make("consumer"))
    finally:
        with _undisturbed():
            delete(administration, made)


def abandoned(administration: Administration, now: datetime) -> list[str]:
    """The tenants of earlier runs that were killed."""
    ids = {entry.tenant_id for entry in administration.directory.entries()}
    return sorted(
        tenant_id
        for tenant_id in ids
        if (found := _ID.fullmatch(tenant_id))
        and datetime.strptime(found[1], _TIME).replace(tzinfo=UTC) < now - _ABANDONED
    )


def delete(administration: Administration, tenant_ids: list[str]) -> None:
    """Delete tenants with everything that belongs to them; all are tried before an error is raised.

    Raises:
        NotDeleted: not all are deleted.
    """
    kept: list[str] = []
    for tenant_id in tenant_ids:
        try:
            administration.delete_tenant(tenant_id)
        except OperatorError:
            pass  # it was not made
        except Exception as error:
            why = in_words(error)
            if why is None:
                raise
            kept.append(f"{tenant_id} ({why})")
    if kept:
        raise NotDeleted(f"not deleted: {', '.join(kept)}: callstream tenants delete …")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let an impatient second Ctrl-C, or `kill`, wait."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    saved = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in saved:
            signal.signal(number, handler)
