"""Two tenants cannot see each other: another tenant's data look like missing data."""

import json
import re
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import jwt
import pytest

from callstream.surfaces.pipeline import Operation
from callstream_cli.openapi.__main__ import DOCUMENTS
from tests.service_accounts import key_file
from tests.stack.conftest import PATIENCE, DeployedStack, eventually
from tests.stack.tenants import Customer, basic

OPERATIONS = {
    each.operation.name: each.operation for document in DOCUMENTS for each in document.operations
}
URL = "wss://consumer.example.com/audio"
# What two answers to the same question differ in.
IDS = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|MZ[0-9a-f]{32}|eyJ[\w.-]+"
    r"|\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000"
)
# Names as long as each other, so that answers are too.
ASKING, THEIRS, ABSENT = Customer("asking"), Customer("theirs"), Customer("absent")
OWN_CALL = "v3:call-of-asking"
# As a text, which Telnyx's guide sends; its braces are no names.
KEY_FILE = json.dumps(key_file()).replace("{", "{{").replace("}", "}}")
# They are answered alike whatever they name: they name it for later.
INDIFFERENT = {
    "asapp_genagent_media_url",
    "asapp_autotranscribe_media_url",
    "asapp_streaming_url",
    "asapp_start_streaming",
    "telnyx_create_dialogflow_connection",
}

type Names = dict[str, str]
"""The ids of a tenant's things, by kind: `call`, `inbox`, …"""


@dataclass(frozen=True)
class Probe:
    """A request of one tenant that names things of another; `{call}` stands for such a name."""

    operation: str
    parameters: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    basic_user: str | None = None

    def names(self) -> set[str]:
        """Which names it has in it."""
        texts = [*self.parameters.values(), *self.body.values(), self.basic_user or ""]
        return {name for text in texts for name in re.findall(r"{(\w+)}", text)}


PROBES = [
    Probe("asapp_genagent_media_url"),
    Probe("asapp_autotranscribe_media_url"),
    Probe("asapp_streaming_url", body={"externalId": "{conversation}"}),
    Probe("asapp_stop_streaming", body={"namespace": "twilio", "guid": "{call}"}),
    Probe(
        "asapp_start_streaming",
        body={"namespace": "twilio", "guid": "{call}", "customerId": "c", "agentId": "a"},
    ),
    Probe("clerk_connect", body={"inboxExternalId": "{inbox}"}),
    Probe("telnyx_streaming_start", {"call_control_id": "{call}"}, {"stream_url": URL}),
    Probe(
        "telnyx_streaming_start",
        {"call_control_id": OWN_CALL},
        {"stream_url": URL, "command_id": "{command}"},
    ),
    Probe("telnyx_streaming_stop", {"call_control_id": "{call}"}),
    Probe("telnyx_streaming_stop", {"call_control_id": "{call}"}, {"stream_id": "{relay}"}),
    Probe("telnyx_streaming_stop", {"call_control_id": OWN_CALL}, {"stream_id": "{relay}"}),
    *(
        Probe(f"telnyx_{action}_dialogflow_connection", {"connection_id": "{connection}"}, body)
        for action, body in (
            ("get", {}),
            ("update", {"service_account": KEY_FILE}),
            ("delete", {}),
            ("create", {"service_account": KEY_FILE}),
        )
    ),
    *(
        Probe(operation, {"AccountSid": account, "CallSid": call, "Sid": sid}, body, user)
        for operation, body, sids in (
            ("signalwire_create_stream", {"Url": URL, "Name": "{name}"}, ["-"]),
            ("signalwire_update_stream", {"Status": "stopped"}, ["{stream}", "{name}"]),
        )
        for account in ("{project}", "{own_project}")
        for call in ("{call}", OWN_CALL)
        for sid in sids
        for user in ("{project}", None)
    ),
    *(
        Probe(operation, {"AccountSid": account, "CallSid": call, "Sid": sid}, body, user)
        for operation, body, sids in (
            ("twilio_create_stream", {"Url": URL, "Name": "{twilio_name}"}, ["-"]),
            ("twilio_update_stream", {"Status": "stopped"}, ["{twilio_stream}", "{twilio_name}"]),
        )
        for account, call in (
            ("{account}", "{call}"),
            ("{own_account}", "{call}"),
            ("{own_account}", OWN_CALL),
        )
        for sid in sids
        for user in ("{account}", None)
    ),
]


@dataclass(frozen=True)
class Answer:
    """All of an answer but ids, dates and the names that were asked for."""

    status: int
    headers: list[tuple[str, str]]
    body: str


class Principal:
    """A tenant that asks."""

    def __init__(self, stack: DeployedStack, customer: Customer) -> None:
        self._stack = stack
        self.customer = customer

    def ask(self, probe: Probe, names: Names) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request, with these names in it; status, headers, body."""
        operation = OPERATIONS[probe.operation]
        headers = self.customer.headers(operation.surface)
        if probe.basic_user is not None:
            password = self.customer.key(operation.surface)
            headers |= basic(probe.basic_user.format(**names), password)
        body = _encode(operation, {key: v.format(**names) for key, v in probe.body.items()})
        if body is not None:
            is_form = operation.encoding == "form"
            kind = "application/x-www-form-urlencoded" if is_form else "application/json"
            headers["Content-Type"] = kind
        path = operation.path.format(
            **{key: quote(v.format(**names), safe="") for key, v in probe.parameters.items()}
        )
        base = urlsplit(self._stack.description["rest"][operation.surface])
        connection = HTTPConnection(base.netloc, timeout=PATIENCE)
        try:
            connection.request(operation.method, base.path + path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def answer(self, probe: Probe, names: Names) -> Answer:
        """The answer, to be compared with another."""
        status, headers, body = self.ask(probe, names)

        def without_names(text: str) -> str:
            for name in probe.names():
                text = text.replace(names[name], "…")
            return IDS.sub("…", text)

        kept = [(name, without_names(value)) for name, value in headers if name.lower() != "date"]
        return Answer(status, sorted(kept), without_names(body.decode()))


def _encode(operation: Operation, body: dict[str, str]) -> bytes | None:
    if operation.body is None:
        return None
    return (urlencode(body) if operation.encoding == "form" else json.dumps(body)).encode()


@pytest.fixture(scope="module")
def asker(stack: DeployedStack) -> Principal:
    ASKING.create(stack)
    ASKING.put_call(stack, OWN_CALL)
    return Principal(stack, ASKING)


def names_of(customer: Customer) -> Names:
    """What a tenant's things are called, or would be."""
    return {
        "call": f"v3:call-of-{customer.name}",
        "command": str(uuid4()),
        "connection": f"connection-of-{customer.name}",
        "conversation": f"conversation-of-{customer.name}",
        "inbox": customer.inbox,
        "name": f"stream-of-{customer.name}",
        "account": customer.account,
        "own_account": ASKING.account,
        "own_project": ASKING.project,
        "project": customer.project,
        "relay": str(uuid4()),
        "stream": str(uuid4()),
        "twilio_name": f"twilio-of-{customer.name}",
        "twilio_stream": f"MZ{uuid4().hex}",
    }


@pytest.fixture(scope="module")
def absent() -> Names:
    return names_of(ABSENT)


@pytest.fixture(scope="module")
def theirs(stack: DeployedStack) -> Names:
    """The names of a tenant's things, which it has made as tenants do."""
    THEIRS.create(stack)
    names = names_of(THEIRS)
    THEIRS.put_call(stack, names["call"])
    call, path = {"call_control_id": "{call}"}, {"AccountSid": "{project}", "CallSid": "{call}"}
    for probe in (
        Probe("asapp_streaming_url", body={"externalId": "{conversation}"}),
        next(probe for probe in PROBES if probe.operation == "asapp_start_streaming"),
        Probe("clerk_connect", body={"inboxExternalId": "{inbox}"}),
        Probe("telnyx_streaming_start", call, {"stream_url": URL, "command_id": "{command}"}),
        next(probe for probe in PROBES if probe.operation == "telnyx_create_dialogflow_connection"),
        Probe("signalwire_create_stream", path, {"Url": URL, "Name": "{name}"}),
        Probe(
            "twilio_create_stream",
            path | {"AccountSid": "{account}"},
            {"Url": URL, "Name": "{twilio_name}"},
        ),
    ):
        status, _headers, _body = Principal(stack, THEIRS).ask(probe, names)
        assert status in {200, 201}
    kinds = {"telnyx": "relay", "signalwire": "stream", "twilio": "twilio_stream"}
    for relay in settled(stack, THEIRS):
        # A transcription is named by its call.
        if (kind := kinds.get(relay["surface"])) is not None:
            names[kind] = relay["relay_id"]
    return names


def state_of(stack: DeployedStack, customer: Customer) -> list[dict[str, Any]]:
    """All that the tables have of a tenant."""
    items = [
        item
        for table in ("directory", "streams")
        for item in stack.table(table).scan()["Items"]
        if customer.name in (item.get("tenant_id"), *item["pk"].split("#"))
    ]
    return sorted(items, key=lambda item: (item["pk"], item["sk"]))


def relays_of(stack: DeployedStack, customer: Customer) -> list[dict[str, Any]]:
    return [item for item in state_of(stack, customer) if item["sk"].startswith("RELAY#")]


def settled(stack: DeployedStack, customer: Customer) -> list[dict[str, Any]]:
    """A tenant's relays, when they have found out that their calls have no streams."""

    def over() -> list[dict[str, Any]] | None:
        relays = relays_of(stack, customer)
        return relays if all("notified_at" in relay for relay in relays) else None

    return eventually(over)


def test_every_operation_is_probed() -> None:
    assert {probe.operation for probe in PROBES} == OPERATIONS.keys()


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.operation)
def test_another_tenants_data_look_like_missing_data(
    probe: Probe, stack: DeployedStack, asker: Principal, theirs: Names, absent: Names
) -> None:
    before = state_of(stack, THEIRS)

    assert asker.answer(probe, theirs) == asker.answer(probe, absent)
    assert state_of(stack, THEIRS) == before


def test_token_belongs_to_the_tenant_that_asked(asker: Principal, theirs: Names) -> None:
    for probe in PROBES[:3]:
        _status, _headers, body = asker.ask(probe, theirs)
        token = IDS.search(json.loads(body)["streamingUrl"])
        assert token is not None
        claims = jwt.decode(token[0], options={"verify_signature": False})
        assert claims["sub"] == ASKING.name


def test_equal_ids_of_two_tenants_are_two_calls_and_two_relays(
    stack: DeployedStack, asker: Principal
) -> None:
    names = names_of(ABSENT) | {"call": "v3:the-same"}
    call, command = {"call_control_id": "{call}"}, {"command_id": "{command}"}
    start = Probe("telnyx_streaming_start", call, command | {"stream_url": URL})
    for customer in (THEIRS, ASKING):
        customer.put_call(stack, names["call"])
        assert Principal(stack, customer).ask(start, names)[0] == 200
    settled(stack, THEIRS)
    before = state_of(stack, THEIRS)

    assert asker.ask(Probe("telnyx_streaming_stop", call), names)[0] == 200

    relays = [each for each in relays_of(stack, ASKING) if each["call_id"] == names["call"]]
    assert [relay["state"] for relay in relays] == ["stopped"]
    assert state_of(stack, THEIRS) == before


@pytest.mark.parametrize(
    "probe",
    [
        probe
        for probe in PROBES
        if probe.operation not in INDIFFERENT and OWN_CALL not in probe.parameters.values()
    ],
    ids=lambda probe: probe.operation,
)
def test_tenants_see_their_own_data(
    probe: Probe, stack: DeployedStack, theirs: Names, absent: Names
) -> None:
    # So that the answers above are not alike for want of something to see.
    them = Principal(stack, THEIRS)
    own = {"own_project": THEIRS.project, "own_account": THEIRS.account}

    assert them.answer(probe, theirs | own) != them.answer(probe, absent | own)
