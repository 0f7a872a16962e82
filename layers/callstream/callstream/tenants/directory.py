"""The Directory table: tenants and their rights. Written by the operator, read by the endpoints.

| pk                           | sk               | what                                         |
|------------------------------|------------------|----------------------------------------------|
| `TENANT#<tenant id>`         | TENANT           | a tenant: its limits, routes and webhooks    |
| `TENANT#<tenant id>`         | `INBOX#<id>`     | one of its inboxes (Clerk Chat)              |
| `TENANT#<tenant id>`         | `AGENT#…`        | an agent of a route (`relays.agents`)         |
| `TENANT#<tenant id>`         | DELETED          | what `deleted_ids` keeps of a deleted tenant  |
| `CREDENTIAL#<surface>#<id>`  | CREDENTIAL       | one of a tenant's credentials for a surface  |
| `CONNECTIONS#<tenant id>`    | `CONNECTION#…`   | a virtual agent (`dialogues.connections`)    |
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Final, Literal, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from callstream.destinations import ForbiddenDestination, check, without_credentials
from callstream.identity import TwilioSignature
from callstream.ports import Item, Table
from callstream.table_requests import set_request
from callstream.tenants.deleted_ids import build_freed, build_kept
from callstream.tenants.keys import tenant_key
from callstream.tenants.running_limits import RunningLimits

Surface = Literal["asapp", "clerk", "telnyx", "signalwire", "twilio"]
"""A vendor's HTTP API as Callstream serves it. tests/unit/surfaces/test_parity.py holds what each
surface has to have."""
SURFACES: Final[tuple[Surface, ...]] = get_args(Surface)
MAX_IDENTIFIER: Final = 128
Identifier = Annotated[
    str, Field(min_length=1, max_length=MAX_IDENTIFIER, pattern=r"^[A-Za-z0-9_.:@+-]+$")
]

# What the streams of ASAPP's URLs can be for.
ROUTES: Final = frozenset({"genagent", "autotranscribe"})

_Sorted = PlainSerializer(sorted, return_type=list[str])
_Names = Annotated[frozenset[Identifier], _Sorted]


# RFC 9110: a token, and what a header can hold without being changed on the way.
_HEADER_NAME: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"
_HEADER_VALUE: Final = r"^[!-~]([ -~]{0,1022}[!-~])?$"
# Headers that a request has anyway, or that say how the request is sent.
_TAKEN_HEADERS: Final = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "content-type"}
    | {"expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


def _is_none(value: object) -> bool:
    return value is None


def _is_off(value: object) -> bool:
    return not value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Limits(_Model):
    """How many requests a tenant may make on one surface; None means unlimited."""

    per_second: Annotated[int, Field(gt=0)] | None = 100
    per_day: Annotated[int, Field(gt=0)] | None = None


class Webhook(_Model):
    """Where a tenant's callbacks go, and where they go if that URL fails.

    `secret` is sent in the header `secret_header`, for a vendor that does not sign. With
    `dialogue_events` the callbacks bring what is said in dialogues with virtual agents, too.
    """

    url: Annotated[str, AfterValidator(lambda url: str(HttpUrl(url)))]
    failover_url: Annotated[str, AfterValidator(lambda url: str(HttpUrl(url)))] | None = None
    secret_header: Annotated[str | None, Field(pattern=_HEADER_NAME, exclude_if=_is_none)] = None
    secret: Annotated[str | None, Field(pattern=_HEADER_VALUE, repr=False, exclude_if=_is_none)] = (
        None
    )
    dialogue_events: Annotated[bool, Field(exclude_if=_is_off)] = False

    @property
    def urls(self) -> list[str]:
        """Both URLs, in the order in which callbacks try them."""
        return [self.url] if self.failover_url is None else [self.url, self.failover_url]

    @property
    def secret_headers(self) -> dict[str, str]:
        """The header with the secret, if there is one."""
        if self.secret_header is None or self.secret is None:
            return {}
        return {self.secret_header.lower(): self.secret}


class NewWebhook(Webhook):
    """A webhook that is being set: a URL to which no callback would be sent is refused.

    A webhook that is stored already can still be read: delivery refuses its URL.
    """

    @field_validator("url", "failover_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None:
            try:
                check(url, {"http", "https"})
            except ForbiddenDestination as forbidden:
                raise PydanticCustomError("url", forbidden.explanation) from None
        return url

    @field_validator("secret_header")
    @classmethod
    def _check_header(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None:
            return None
        if name.lower() in _TAKEN_HEADERS:
            raise PydanticCustomError("header", "The requests have this header anyway")
        urls = filter(None, (info.data.get("url"), info.data.get("failover_url")))
        if name.lower() == "authorization" and any(without_credentials(url)[1] for url in urls):
            raise PydanticCustomError("header", "This header has the password of the URL already")
        return name


_Language = Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")]
_VocabularyName = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{1,200}$")]


class Tenant(_Model):
    """A customer.

    `project_id` is the tenant's SignalWire project; `account_id` has its form for each vendor. The
    keys that sign the tenant's callbacks follow from `callback_key_id`: a new id makes new keys.
    `twilio_signature` is for the tenant's media URLs; the auth token for it is in a secret. With
    `always_redacts`, no command gets the text of a transcript before redaction.
    `engine_vocabularies` names, for a language, a vocabulary that the speech engine knows.
    """

    tenant_id: Identifier
    name: Annotated[str, Field(min_length=1, max_length=200)]
    project_id: UUID
    callback_key_id: Identifier
    enabled: bool = True
    limits: dict[Surface, Limits] = {}
    running: RunningLimits = RunningLimits()
    routes: _Names = frozenset()
    webhooks: dict[Surface, Webhook] = {}
    twilio_signature: TwilioSignature = "off"
    always_redacts: bool = False
    engine_vocabularies: dict[_Language, _VocabularyName] = {}

    def limits_on(self, surface: Surface) -> Limits:
        """The tenant's limits on a surface."""
        return self.limits.get(surface, Limits())

    def gets_dialogue_events(self, surface: Surface) -> bool:
        """Whether callbacks of a surface bring what is said in dialogues.

        Never with `always_redacts`: nothing in these events is redacted.
        """
        webhook = self.webhooks.get(surface)
        return webhook is not None and webhook.dialogue_events and not self.always_redacts

    def account_id(self, surface: Surface) -> str:
        """The tenant's account, in the form of the surface's vendor.

        Twilio's AccountSid is `AC` and the 32 digits of the project id; the others know the project
        id itself.
        """
        return f"AC{self.project_id.hex}" if surface == "twilio" else str(self.project_id)


class Inbox(_Model):
    """One of a tenant's inboxes, by the id that the tenant's clients use."""

    tenant_id: Identifier
    external_id: Annotated[str, Field(min_length=1, max_length=200)]
    name: str = ""


class Credential(_Model):
    """One of a tenant's credentials."""

    surface: Surface
    credential_id: Identifier
    tenant_id: Identifier
    secret_hash: str = Field(repr=False)
    scopes: _Names = frozenset()
    enabled: bool = True
    created_at: datetime
    label: str = ""


def inbox_key(tenant_id: str, external_id: str) -> Item:
    """The key of an inbox. The tenant is part of the key: no tenant can name another's inbox."""
    return {"pk": f"TENANT#{tenant_id}", "sk": f"INBOX#{external_id}"}


def credential_key(surface: str, credential_id: str) -> Item:
    """The key of a credential."""
    return {"pk": f"CREDENTIAL#{surface}#{credential_id}", "sk": "CREDENTIAL"}


class Directory:
    """Tenants, inboxes and credentials. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def tenant(self, tenant_id: str) -> Tenant | None:
        """A tenant, by id."""
        return _read(Tenant, self._table.get(tenant_key(tenant_id)))

    def inbox(self, tenant_id: str, external_id: str) -> Inbox | None:
        """A tenant's inbox, by the id that the tenant's clients use."""
        return _read(Inbox, self._table.get(inbox_key(tenant_id, external_id)))

    def credential(self, surface: Surface, credential_id: str) -> Credential | None:
        """A credential, by its public half."""
        return _read(Credential, self._table.get(credential_key(surface, credential_id)))

    def inboxes(self, tenant_id: str) -> list[Inbox]:
        """All of a tenant's inboxes, by id."""
        key = inbox_key(tenant_id, "")
        items = self._table.query(key["pk"], key["sk"])
        return [inbox for item in items if (inbox := _read(Inbox, item)) is not None]

    def create(self, entry: Tenant | Inbox | Credential, now: datetime) -> None:
        """Add an entry.

        Raises:
            ConditionFailed: the entry exists already (operation 0); its tenant does not exist or
                is being changed, or a tenant's id is not free yet (operation 1).
        """
        item = _key(entry) | entry.model_dump(mode="json")
        operations: list[Item] = [
            {"Put": {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
        ]
        if isinstance(entry, Tenant):
            operations.append(build_freed(entry.tenant_id, now))
        else:
            owner = tenant_key(entry.tenant_id)
            operations.append(
                {"ConditionCheck": {"Key": owner, "ConditionExpression": "attribute_exists(pk)"}}
            )
        self._table.transact(operations)

    def change_tenant(self, tenant_id: str, change: Callable[[Tenant], Tenant]) -> Tenant | None:
        """Change a tenant. Only the fields that `change` gives other values are written.

        Returns:
            The changed tenant; None if the tenant does not exist.

        Raises:
            ConditionFailed: another writer has changed one of these fields meanwhile.
        """
        item = self._table.get(tenant_key(tenant_id))
        old = _read(Tenant, item)
        if item is None or old is None:
            return None
        new = change(old)
        before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
        changed = [name for name in after if after[name] != before[name]]
        if not changed:
            return new
        # Compared with the stored values, which another version may have written in another form.
        known = [name for name in changed if name in item]
        conditions = ["attribute_exists(pk)"]
        conditions += [
            f"#{name} = :old_{name}" if name in known else f"attribute_not_exists(#{name})"
            for name in changed
        ]
        request = set_request(
            tenant_key(tenant_id),
            {name: after[name] for name in changed},
            " AND ".join(conditions),
            {f"old_{name}": item[name] for name in known},
        )
        self._table.update(request)
        return new

    def save(self, entry: Tenant | Inbox | Credential) -> None:
        """Create or replace an entry."""
        self._table.put(_key(entry) | entry.model_dump(mode="json"))

    def delete(self, entry: Tenant | Inbox | Credential) -> None:
        """Remove an entry, if it exists."""
        self._table.delete(_key(entry))

    def delete_tenant(self, tenant_id: str, until: datetime) -> None:
        """Remove a tenant, if it exists, and keep its id from new tenants until then."""
        self._table.transact(
            [{"Delete": {"Key": tenant_key(tenant_id)}}, build_kept(tenant_id, until)]
        )

    def entries(self) -> Iterator[Tenant | Inbox | Credential]:
        """All tenants, inboxes and credentials, in no order.

        Reads the whole table: for the operator, not for requests.
        """
        for item in self._table.scan():
            kind: type[Tenant | Inbox | Credential]
            match item["sk"].partition("#")[0]:
                case "TENANT":
                    kind = Tenant
                case "INBOX":
                    kind = Inbox
                case "AGENT" | "CONNECTION" | "DELETED":
                    continue
                case _:
                    kind = Credential
            entry = _read(kind, item)
            if entry is not None:
                yield entry


def _key(entry: Tenant | Inbox | Credential) -> Item:
    match entry:
        case Tenant():
            return tenant_key(entry.tenant_id)
        case Inbox():
            return inbox_key(entry.tenant_id, entry.external_id)
        case Credential():
            return credential_key(entry.surface, entry.credential_id)


def _read[Entry: BaseModel](kind: type[Entry], item: Item | None) -> Entry | None:
    if item is None:
        return None
    return kind.model_validate({k: v for k, v in item.items() if k not in {"pk", "sk"}})
