"""What an operator does with a deployment, whoever asks: a command, or the local stack's seed."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, NoReturn
from uuid import uuid4

from callstream.access.tokens import KeyRing
from callstream.adapters import clock
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.secrets_manager import (
    PermanentSecret,
    StoredKeyRing,
    TwilioAuthTokens,
    rotate_signing_keys,
)
from callstream.callbacks import keys
from callstream.errors import ConditionFailed
from callstream.identity import TwilioSignature
from callstream.relays.agents import MOST_OF_A_ROUTE, Agent, AgentStore
from callstream.relays.store import RelaySpec
from callstream.tenants.credentials import new_id
from callstream.tenants.directory import (
    ROUTES,
    SCOPES,
    Credential,
    Directory,
    Inbox,
    Surface,
    Tenant,
)
from callstream.tenants.issuing import Issued, issue
from callstream_cli.operator.errors import BadValueError, OperatorError, good_values, output
from callstream_cli.public_keys import ed25519_public_key

type CallbackKeys = Mapping[Surface, Mapping[str, str]]
"""Per surface, by the names that `stack.json` has too: what a tenant verifies callbacks with."""


class Administration:
    """The tenants of a deployment and what belongs to them.

    Args:
        outputs: of the deployment's stack.
    """

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs

    @cached_property
    def directory(self) -> Directory:
        """Everything that is stored, without the checks of the methods here."""
        return Directory(self._table)

    @cached_property
    def agents(self) -> AgentStore:
        """The agents that are stored, without the checks of the methods here."""
        return AgentStore(self._table)

    def tenant(self, tenant_id: str) -> Tenant:
        """A tenant, by id. Raises `OperatorError` if there is none."""
        tenant = self.directory.tenant(tenant_id)
        if tenant is None:
            _no_tenant(tenant_id)
        return tenant

    def create_tenant(self, tenant_id: str, name: str, routes: Collection[str] = ROUTES) -> Tenant:
        """Add a tenant, with a SignalWire project of its own.

        Raises:
            OperatorError: there is one with this id.
        """
        must_be_of(routes, ROUTES, "route")
        with good_values():
            tenant = Tenant(
                tenant_id=tenant_id,
                name=name,
                project_id=uuid4(),
                callback_key_id=new_id(),
                routes=frozenset(routes),
            )
        self._create(tenant, f"there is a tenant {tenant_id!r} already")
        return tenant

    def change_tenant(
        self, tenant_id: str, change: Callable[[Tenant], Mapping[str, Any]]
    ) -> Tenant:
        """Give a tenant the fields that `change` makes of it; the tenant as it is then.

        Raises:
            OperatorError: there is none, or another operator is changing the same field.
        """

        def changed(tenant: Tenant) -> Tenant:
            with good_values():
                return Tenant.model_validate({**dict(tenant), **change(tenant)})

        try:
            tenant = self.directory.change_tenant(tenant_id, changed)
        except ConditionFailed:
            _changed_meanwhile(tenant_id)
        if tenant is None:
            _no_tenant(tenant_id)
        return tenant

    def delete_tenant(self, tenant_id: str) -> tuple[int, int]:
        """Remove a tenant and all that it has; how many credentials and inboxes that were.

        What an interrupted deletion has left goes too.

        Raises:
            OperatorError: there is neither a tenant nor anything left of it.
        """
        auth_tokens = self._twilio_auth_tokens
        tenant = self.directory.tenant(tenant_id)
        if tenant is not None:
            # First, so that nothing can be added to it any more.
            self.directory.delete(tenant)
        auth_tokens.delete(tenant_id)
        found = [entry for entry in self.directory.entries() if entry.tenant_id == tenant_id]
        agents = self.agents.all(tenant_id)
        if tenant is None and not found and not agents:
            _no_tenant(tenant_id)
        for agent in agents:
            self.agents.delete(agent)
        for entry in found:
            self.directory.delete(entry)
        credentials = sum(isinstance(entry, Credential) for entry in found)
        return credentials, len(found) - credentials

    def create_credential(
        self,
        tenant: Tenant,
        surface: Surface,
        *,
        scopes: Collection[str] | None = None,
        label: str = "",
    ) -> Issued:
        """Give a tenant a credential; without `scopes`, for all that the surface has."""
        if scopes is not None:
            must_be_of(scopes, SCOPES[surface], f"scope of {surface}")
        with good_values():
            issued = issue(
                tenant,
                surface,
                self._secret("CredentialPepperSecretArn"),
                clock.now(),
                scopes=None if scopes is None else frozenset(scopes),
                label=label,
            )
        self._create(issued.credential, f"the id {issued.credential.credential_id} is taken")
        return issued

    def credential(self, surface: Surface, credential_id: str) -> Credential:
        """A credential, by its public half. Raises `OperatorError` if there is none."""
        credential = self.directory.credential(surface, credential_id)
        if credential is None:
            raise OperatorError(f"{surface} has no credential {credential_id!r}")
        return credential

    def create_inbox(self, tenant_id: str, external_id: str, name: str) -> Inbox:
        """Give a tenant an inbox.

        Raises:
            OperatorError: there is no such tenant, or it has an inbox with this id.
        """
        self.tenant(tenant_id)
        with good_values():
            inbox = Inbox(tenant_id=tenant_id, external_id=external_id, name=name)
        self._create(inbox, f"{tenant_id} has an inbox {external_id!r} already")
        return inbox

    def delete_inbox(self, tenant_id: str, external_id: str) -> Inbox:
        """Take an inbox and its agents from a tenant; what it was.

        Raises:
            OperatorError: it has no such inbox.
        """
        inbox = self.inbox(tenant_id, external_id)
        # The agents go first: what an interrupted deletion has left can be deleted again.
        for agent in self.agents.of_route(tenant_id, "inbox", external_id):
            self.agents.delete(agent)
        self.directory.delete(inbox)
        return inbox

    def inbox(self, tenant_id: str, external_id: str) -> Inbox:
        """A tenant's inbox. Raises `OperatorError` if it has none with this id."""
        self.tenant(tenant_id)
        inbox = self.directory.inbox(tenant_id, external_id)
        if inbox is None:
            raise OperatorError(f"{tenant_id} has no inbox {external_id!r}")
        return inbox

    def create_agent(
        self, tenant_id: str, route: str | None, inbox: str | None, order: RelaySpec
    ) -> Agent:
        """Give a route of a tenant, or one of its inboxes, an agent.

        Raises:
            OperatorError: there is no such tenant, or it has no such route or inbox; it has
                enough agents there, or one with this name.
        """
        if inbox is not None:
            self.inbox(tenant_id, inbox)
        elif route is not None:
            must_be_of([route], ROUTES, "route")
            if route not in self.tenant(tenant_id).routes:
                raise OperatorError(f"{tenant_id} has no route {route!r}: routes add")
        with good_values():
            agent = Agent.model_validate(
                {
                    "agent_id": new_id(),
                    "tenant_id": tenant_id,
                    "route": "inbox" if inbox is not None else route,
                    "inbox": inbox or "",
                    "order": order,
                }
            )
        there = self.agents.of_route(tenant_id, agent.route, agent.inbox)
        if len(there) >= MOST_OF_A_ROUTE:
            raise OperatorError(f"there are {MOST_OF_A_ROUTE} agents already, which is the most")
        if order.name is not None and order.name in {each.order.name for each in there}:
            raise OperatorError(f"there is an agent of the name {order.name!r} already")
        try:
            self.agents.create(agent)
        except ConditionFailed:
            _changed_meanwhile(tenant_id)
        return agent

    def agent(self, tenant_id: str, agent_id: str) -> Agent:
        """A tenant's agent. Raises `OperatorError` if there is none."""
        self.tenant(tenant_id)
        for agent in self.agents.all(tenant_id):
            if agent.agent_id == agent_id:
                return agent
        raise OperatorError(f"{tenant_id} has no agent {agent_id!r}")

    def callback_keys(self, tenant: Tenant) -> CallbackKeys:
        """What a tenant verifies its callbacks with."""
        master = self._secret("CallbackMasterSecretArn")
        private_key = keys.telnyx_private_key(master, tenant.callback_key_id)
        signing_key = keys.signalwire_signing_key(master, tenant.callback_key_id)
        return {
            "telnyx": {"public_key": ed25519_public_key(private_key)},
            "signalwire": {"signing_key": signing_key},
        }

    def rotate_callback_keys(self, tenant_id: str) -> CallbackKeys:
        """Give a tenant new callback keys, at once; what they are. Raises `OperatorError`."""
        new = {"callback_key_id": new_id()}
        return self.callback_keys(self.change_tenant(tenant_id, lambda _: new))

    def has_twilio_auth_token(self, tenant_id: str) -> bool:
        """Whether a tenant's Twilio auth token is stored."""
        return self._twilio_auth_tokens.is_stored(tenant_id)

    def set_twilio(
        self, tenant_id: str, signature: TwilioSignature | None, auth_token: str | None
    ) -> Tenant:
        """Say how a tenant's handshakes are signed, and with what; None is: as it was.

        Raises:
            OperatorError: there is no such tenant, or signatures are to be checked and it has no
                auth token to check them with.
        """
        tenant = self.tenant(tenant_id)
        wanted = tenant.twilio_signature if signature is None else signature
        if (
            auth_token is None
            and wanted != "off"
            and not self._twilio_auth_tokens.is_stored(tenant_id)
        ):
            raise OperatorError(f"{tenant_id} has no Twilio auth token yet: give --auth-token -")
        # First, so that no URL asks for a signature that nobody could check.
        if auth_token is not None:
            self._twilio_auth_tokens.store(tenant_id, auth_token)
        return self.change_tenant(tenant_id, lambda _: {"twilio_signature": wanted})

    def clear_twilio(self, tenant_id: str) -> Tenant:
        """Look at no signature of a tenant's any more, and forget its Twilio auth token.

        Raises:
            OperatorError: there is no such tenant.
        """
        tenant = self.change_tenant(tenant_id, lambda _: {"twilio_signature": "off"})
        self._twilio_auth_tokens.delete(tenant_id)
        return tenant

    def signing_keys(self) -> KeyRing:
        """The keys of media URLs."""
        return StoredKeyRing(self._output("SigningKeysSecretArn")).current()

    def rotate_signing_keys(self) -> KeyRing:
        """Add a key of media URLs, which signs a minute later; the keys as they are then."""
        return rotate_signing_keys(self._output("SigningKeysSecretArn"), clock.now())

    def _create(self, entry: Tenant | Inbox | Credential, taken: str) -> None:
        try:
            self.directory.create(entry)
        except ConditionFailed as failed:
            if failed.operation == 0:
                raise OperatorError(taken) from None
            _changed_meanwhile(entry.tenant_id)

    @cached_property
    def _table(self) -> DynamoTable:
        return DynamoTable(self._output("DirectoryTableName"))

    @cached_property
    def _twilio_auth_tokens(self) -> TwilioAuthTokens:
        return TwilioAuthTokens(self._output("TwilioSecretsPrefix"))

    def _secret(self, output: str) -> str:
        return PermanentSecret(self._output(output)).value()

    def _output(self, name: str) -> str:
        return output(self._outputs, name)


def must_be_of(names: Collection[str], known: Collection[str], what: str) -> None:
    """Check names that an operator typed. Raises `BadValueError` for one that is not known."""
    for name in names:
        if name not in known:
            raise BadValueError(f"{name!r} is no {what}; there are: {', '.join(sorted(known))}")


def _no_tenant(tenant_id: str) -> NoReturn:
    raise OperatorError(f"there is no tenant {tenant_id!r}")


def _changed_meanwhile(tenant_id: str) -> NoReturn:
    raise OperatorError(f"somebody else has just changed or deleted {tenant_id!r}; try again")
