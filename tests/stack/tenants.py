"""Tenants of a test's own, with credentials on every surface."""

import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_DNS, uuid5

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.secrets_manager import PermanentSecret
from callstream.tenants.credentials import CREDENTIAL_FORMS, TWILIO_FORM, hash_secret
from callstream.tenants.directory import (
    ROUTES,
    SURFACES,
    Credential,
    Directory,
    Inbox,
    Limits,
    Surface,
    Tenant,
)
from callstream_cli.local import aws
from tests.stack.conftest import DeployedStack


def basic(user: str, password: str) -> dict[str, str]:
    """The header of Basic authentication."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


@dataclass(frozen=True)
class Customer:
    """A tenant whose ids and secrets all come from its name, known before the stack is up."""

    name: str

    @property
    def project(self) -> str:
        """The id of the tenant's SignalWire project."""
        return str(uuid5(NAMESPACE_DNS, self.name))

    @property
    def account(self) -> str:
        """The sid of the tenant's Twilio account."""
        return f"AC{uuid5(NAMESPACE_DNS, self.name).hex}"

    @property
    def inbox(self) -> str:
        """The id of the tenant's only inbox."""
        return f"inbox-of-{self.name}"

    @property
    def secret(self) -> str:
        """The secret half of all the tenant's credentials; the public half is its name."""
        return f"secret-of-{self.name}"

    def key(self, surface: Surface) -> str:
        """The tenant's API key or token; for Twilio, the AuthToken."""
        if surface == "twilio":
            return self.secret
        return CREDENTIAL_FORMS[surface].join(self.name, self.secret)

    def headers(self, surface: str) -> dict[str, str]:
        """The headers that authenticate the tenant."""
        match surface:
            case "asapp":
                return {"asapp-api-id": self.name, "asapp-api-secret": self.secret}
            case "clerk":
                return {"apiKey": self.key("clerk")}
            case "telnyx":
                return {"Authorization": f"Bearer {self.key('telnyx')}"}
            case "signalwire":
                return basic(self.project, self.key("signalwire"))
        return basic(self.account, self.secret)

    def create(self, stack: DeployedStack) -> None:
        """Create the tenant, without limits."""
        with aws.talking_to(stack.description["aws_endpoint_url"]):
            directory = Directory(DynamoTable(stack.outputs["DirectoryTableName"]))
            pepper = PermanentSecret(stack.outputs["CredentialPepperSecretArn"]).value()
            directory.save(
                Tenant(
                    tenant_id=self.name,
                    name=self.name,
                    project_id=uuid5(NAMESPACE_DNS, self.name),
                    callback_key_id=self.name,
                    routes=ROUTES,
                    limits=dict.fromkeys(SURFACES, Limits(per_second=None)),
                )
            )
            directory.save(Inbox(tenant_id=self.name, external_id=self.inbox))
            for surface, form in CREDENTIAL_FORMS.items():
                directory.save(
                    Credential(
                        surface=surface,
                        credential_id=TWILIO_FORM.id_of(self.account, self.secret)
                        if surface == "twilio"
                        else self.name,
                        tenant_id=self.name,
                        secret_hash=hash_secret(self.secret, pepper),
                        scopes=form.scopes,
                        created_at=datetime.now(UTC),
                    )
                )

    def put_call(self, stack: DeployedStack, call_id: str, state: str = "active") -> None:
        """Store a call, as if its media had been streamed in."""
        call = {
            "pk": f"CALL#{self.name}#{call_id}",
            "sk": "CALL",
            "tenant_id": self.name,
            "call_id": call_id,
            "account_id": "AC",
            "state": state,
            "started_at": int(time.time() * 1000),
            "expires_at": int(time.time()) + 86_400,
        }
        stack.table("streams").put_item(Item=call)
