"""What operators do with tenants, for their commands and for the seed of the local stack."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from callstream.adapters import clock
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.callbacks import twilio
from callstream.dialogues.connection_keys import KeyedConnections
from callstream.dialogues.connections import ConnectionStore
from callstream.errors import ConditionFailed
from callstream.relays.agents import MOST_OF_A_ROUTE, Agent, AgentStore
from callstream.relays.model import RelaySpec
from callstream.tenants.credentials import CREDENTIAL_FORMS, new_id
from callstream.tenants.deleted_ids import AFTER_RETENTION, free_at
from callstream.tenants.directory import (
    ROUTES,
    Credential,
    Directory,
    Inbox,
    Surface,
    Tenant,
)
from callstream.tenants.issuing import Issued, issue
from callstream.transcription.model import LANGUAGES, Transcriber
from callstream_cli.operator.errors import (
    BadValueError,
    OperatorError,
    good_values,
    must_be_of,
    output,
)
from callstream_cli.operator.picking import pick

if TYPE_CHECKING:
    from callstream.adapters.aws.secrets_manager import StoredAgentKeys, TwilioAuthTokens


class Administration:
    """The tenants of a deployment, with their credentials, inboxes and agents.

    Args:
        outputs: the outputs of the deployment's stack.
    """

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs

    @cached_property
    def directory(self) -> Directory:
        """The tenants' directory itself, without the checks of the methods here."""
        return Directory(self._table)

    @cached_property
    def agents(self) -> AgentStore:
        """The store of agents itself, without the checks of the methods here."""
        return AgentStore(self._table)

    @cached_property
    def virtual_agents(self) -> ConnectionStore:
        """The tenants' stored connections to virtual agents, without their keys."""
        return ConnectionStore(self._table)

    @cached_property
    def twilio_auth_tokens(self) -> "TwilioAuthTokens":
        """The auth tokens of the tenants' Twilio accounts."""
        # Secrets come with PyJWT and its cryptography, which most commands do not need.
        from callstream.adapters.aws.secrets_manager import TwilioAuthTokens  # noqa: PLC0415

        return TwilioAuthTokens(self._output("TwilioSecretsPrefix"))

    @cached_property
    def agent_keys(self) -> "StoredAgentKeys":
        """The keys of the connections to virtual agents."""
        # As above.
        from callstream.adapters.aws.secrets_manager import StoredAgentKeys  # noqa: PLC0415

        return StoredAgentKeys(self._output("DialogflowSecretsPrefix"))

    @property
    def keyed_connections(self) -> KeyedConnections:
        """The tenants' stored connections to virtual agents, with their keys."""
        return KeyedConnections(self.virtual_agents, self.agent_keys, lambda: uuid4().hex)

    def secret(self, output: str) -> str:
        """The secret whose ARN is an output of the stack."""
        from callstream.adapters.aws.secrets_manager import PermanentSecret  # noqa: PLC0415

        return PermanentSecret(self._output(output)).value()

    def tenant(self, tenant_id: str) -> Tenant:
        """A tenant, by id. Raises `OperatorError` if there is no such tenant."""
        tenant = self.directory.tenant(tenant_id)
        if tenant is None:
            _no_tenant(tenant_id)
        return tenant

    def create_tenant(self, tenant_id: str, name: str, routes: Collection[str] = ROUTES) -> Tenant:
        """Create a tenant, with a SignalWire project of its own.

        Raises:
            OperatorError: the id is taken, an earlier tenant has left something under it, or its
                state is still kept.
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
        if self.directory.tenant(tenant_id) is None and (
            self.agents.all(tenant_id) or self.virtual_agents.records(tenant_id)
        ):
            left = f"an earlier tenant {tenant_id!r} is not wholly deleted"
            raise OperatorError(f"{left}: tenants delete {tenant_id}")
        self._create(tenant, f"there is a tenant {tenant_id!r} already")
        return tenant

    def change_tenant(
        self, tenant_id: str, change: Callable[[Tenant], Mapping[str, Any]]
    ) -> Tenant:
        """Set the fields of a tenant that `change` returns; return the changed tenant.

        Raises:
            OperatorError: there is no such tenant, or another operator changes the same field.
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

    def delete_tenant(self, tenant_id: str) -> tuple[int, int, datetime]:
        """Delete a tenant with everything that belongs to it, also after an interrupted deletion.

        Returns:
            How many credentials and how many inboxes were deleted, and from when a new tenant may
            have the id.

        Raises:
            OperatorError: there is neither such a tenant nor anything left of it.
        """
        auth_tokens = self.twilio_auth_tokens
        retention = timedelta(days=int(self._output("StateRetentionDays")))
        kept_until = clock.now() + retention + AFTER_RETENTION
        tenant = self.directory.tenant(tenant_id)
        if tenant is not None:
            # The tenant goes first, so that nothing can be added to it any more.
            self.directory.delete_tenant(tenant_id, kept_until)
        auth_tokens.delete(tenant_id)
        connections = self.keyed_connections.delete_all(tenant_id)
        # And what a save has left over that was interrupted.
        self.agent_keys.delete_all(tenant_id)
        found = [entry for entry in self.directory.entries() if entry.tenant_id == tenant_id]
        agents = self.agents.all(tenant_id)
        if tenant is None and not found and not agents and not connections:
            _no_tenant(tenant_id)
        # An interrupted deletion's id is kept from now on, too.
        self.directory.delete_tenant(tenant_id, kept_until)
        for agent in agents:
            self.agents.delete(agent)
        for entry in found:
            self.directory.delete(entry)
        credentials = sum(isinstance(entry, Credential) for entry in found)
        return credentials, len(found) - credentials, kept_until

    def create_credential(
        self,
        tenant: Tenant,
        surface: Surface,
        *,
        scopes: Collection[str] | None = None,
        label: str = "",
        api_key: bool = False,
    ) -> Issued:
        """Create a credential of a tenant; without `scopes`, with all scopes of the surface.

        On Twilio's surface, that is the tenant's AuthToken or, with `api_key`, an API key.

        Raises:
            OperatorError: the tenant has this AuthToken already.
            BadValueError: the surface has no such scope, or no API keys beside its AuthTokens.
        """
        if scopes is not None:
            must_be_of(scopes, CREDENTIAL_FORMS[surface].scopes, f"scope of {surface}")
        auth_token: str | None = None
        if surface == "twilio" and not api_key:
            auth_token = self._auth_token(tenant)
        elif api_key and surface != "twilio":
            raise BadValueError("--api-key is for twilio alone")
        with good_values():
            issued = issue(
                tenant,
                surface,
                self.secret("CredentialPepperSecretArn"),
                clock.now(),
                scopes=None if scopes is None else frozenset(scopes),
                label=label,
                auth_token=auth_token,
            )
        taken = f"the id {issued.credential.credential_id} is taken"
        if auth_token is not None:
            taken = "there is this AuthToken already: give --api-key, or use callback-keys rotate"
        self._create(issued.credential, taken)
        return issued

    def credential(self, tenant_id: str, surface: Surface, text: str) -> Credential:
        """A tenant's credential, by its id or the first characters of the id.

        Raises:
            OperatorError: there is no such tenant or credential, or there are several credentials.
        """
        self.tenant(tenant_id)
        of_tenant = [
            entry
            for entry in self.directory.entries()
            if isinstance(entry, Credential)
            and (entry.tenant_id, entry.surface) == (tenant_id, surface)
        ]
        credential = pick(text, of_tenant, lambda each: (each.credential_id,), "credential")
        if credential is None:
            raise OperatorError(f"{tenant_id} has no credential {text!r} for {surface}")
        return credential

    def create_inbox(self, tenant_id: str, external_id: str, name: str) -> Inbox:
        """Create an inbox of a tenant.

        Raises:
            OperatorError: there is no such tenant, or it has an inbox with this id.
        """
        self.tenant(tenant_id)
        with good_values():
            inbox = Inbox(tenant_id=tenant_id, external_id=external_id, name=name)
        self._create(inbox, f"{tenant_id} has an inbox {external_id!r} already")
        return inbox

    def delete_inbox(self, tenant_id: str, external_id: str) -> Inbox:
        """Delete an inbox of a tenant with its agents; return the deleted inbox.

        Raises:
            OperatorError: the tenant has no such inbox.
        """
        inbox = self.inbox(tenant_id, external_id)
        # The agents go first, so that an interrupted deletion can be repeated.
        for agent in self.agents.of_route(tenant_id, "inbox", external_id):
            self.agents.delete(agent)
        self.directory.delete(inbox)
        return inbox

    def inbox(self, tenant_id: str, external_id: str) -> Inbox:
        """A tenant's inbox. Raises `OperatorError` if there is no such inbox."""
        self.tenant(tenant_id)
        inbox = self.directory.inbox(tenant_id, external_id)
        if inbox is None:
            raise OperatorError(f"{tenant_id} has no inbox {external_id!r}")
        return inbox

    def create_agent(
        self, tenant_id: str, route: str | None, inbox: str | None, spec: RelaySpec
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
                    "spec": spec,
                }
            )
        there = self.agents.of_route(tenant_id, agent.route, agent.inbox)
        if len(there) >= MOST_OF_A_ROUTE:
            raise OperatorError(f"there are {MOST_OF_A_ROUTE} agents already, which is the most")
        if spec.transcription and any(each.spec.transcription for each in there):
            raise OperatorError("these calls are transcribed already: agents list")
        if spec.dialogue and any(each.spec.dialogue for each in there):
            raise OperatorError("an agent of Dialogflow talks on these calls already: agents list")
        if spec.name is not None and spec.name in {each.spec.name for each in there}:
            raise OperatorError(f"there is an agent of the name {spec.name!r} already")
        try:
            self.agents.create(agent)
        except ConditionFailed:
            _changed_meanwhile(tenant_id)
        return agent

    def agent(self, tenant_id: str, agent_id: str) -> Agent:
        """A tenant's agent, by its id or the first characters of the id.

        Raises:
            OperatorError: there is no such tenant or agent, or there are several agents.
        """
        self.tenant(tenant_id)
        agents = self.agents.all(tenant_id)
        agent = pick(agent_id, agents, lambda each: (each.agent_id,), "agent")
        if agent is None:
            raise OperatorError(f"{tenant_id} has no agent {agent_id!r}")
        return agent

    @property
    def transcriber(self) -> Transcriber:
        """The engine that the deployment transcribes with."""
        name = self._output("TranscriberName")
        known = {each: each for each in LANGUAGES}
        if name not in known:
            raise OperatorError(f"the stack has a transcriber of another version: {name}")
        return known[name]

    @property
    def has_dialogflow(self) -> bool:
        """Whether agents of Dialogflow can talk on calls of the deployment."""
        return self._output("DialogflowName") != "none"

    def _auth_token(self, tenant: Tenant) -> str:
        """The tenant's present AuthToken: the secret that also signs its callbacks."""
        master = self.secret("CallbackMasterSecretArn")
        return twilio.verification_key(master, tenant.callback_key_id)["auth_token"]

    def _create(self, entry: Tenant | Inbox | Credential, taken: str) -> None:
        try:
            self.directory.create(entry, clock.now())
        except ConditionFailed as failed:
            if failed.operation == 0:
                raise OperatorError(taken) from None
            kept_until = free_at(self._table, entry.tenant_id)
            if isinstance(entry, Tenant) and kept_until is not None:
                raise OperatorError(
                    f"a deleted tenant had the id {entry.tenant_id!r}, which is kept until "
                    f"{kept_until:%Y-%m-%d %H:%M} UTC: choose another id"
                ) from None
            _changed_meanwhile(entry.tenant_id)

    @cached_property
    def _table(self) -> DynamoTable:
        return DynamoTable(self._output("DirectoryTableName"))

    def _output(self, name: str) -> str:
        return output(self._outputs, name)


def _no_tenant(tenant_id: str) -> NoReturn:
    raise OperatorError(f"there is no tenant {tenant_id!r}")


def _changed_meanwhile(tenant_id: str) -> NoReturn:
    raise OperatorError(f"somebody else has just changed or deleted {tenant_id!r}; try again")
