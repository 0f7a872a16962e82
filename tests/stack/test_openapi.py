"""Every endpoint keeps the promises of its document in docs/openapi, for any request.

Schemathesis makes the requests of the document: good ones, and bad ones in every way that it can
think of. Its checks: no 5xx, only documented statuses, content types, headers and bodies, bad
requests refused, good ones accepted, nothing without credentials or with wrong ones.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis import Case
from schemathesis.config import SchemathesisConfig

from callstream_cli.openapi.__main__ import DOCUMENTS, FOLDER
from tests.service_accounts import key_file, private_key
from tests.stack.conftest import DeployedStack
from tests.stack.tenants import Customer

# Every other run of pytest leaves this plugin out (pyproject.toml).
pytest_plugins = ["schemathesis.pytest.plugin"]

CUSTOMER = Customer("contract")
# The documents' examples name these.
CALLS = [
    document.parameters[name].example
    for document in DOCUMENTS
    for name in ("call_control_id", "CallSid")
    if name in document.parameters
]
# More than one, since each can be deleted only once.
CONNECTIONS = [f"contract-{number}" for number in range(10)]
ENDED = "CA-contract-ended"
STREAM = "contract-stream"

SECRETS = {
    "asapp": {"API-ID": {"api_key": CUSTOMER.name}, "API-Secret": {"api_key": CUSTOMER.secret}},
    "clerk": {"api_key": {"api_key": CUSTOMER.key("clerk")}},
    "telnyx": {"bearer": {"bearer": CUSTOMER.key("telnyx")}},
    "signalwire": {"basic": {"username": CUSTOMER.project, "password": CUSTOMER.key("signalwire")}},
    "twilio": {"basic": {"username": CUSTOMER.account, "password": CUSTOMER.key("twilio")}},
}
OPENAPI = {surface: json.loads((FOLDER / f"{surface}.json").read_text()) for surface in SECRETS}
# What chance does not find.
VALUES = {
    "path.CallSid": [*CALLS, ENDED],
    "path.Sid": [STREAM, f"{STREAM}-twilio"],
    "path.call_control_id": [*CALLS, ENDED],
    "path.connection_id": CONNECTIONS,
    "body.StatusCallback": ["https://app.example.com/streams"],
    "body.Url": ["wss://consumer.example.com/audio"],
    "body.client_state": ["aGF2ZSBhIG5pY2UgZGF5ID1d"],
    "body.guid": [*CALLS, ENDED],
    "body.inboxExternalId": [CUSTOMER.inbox],
    "body.service_account.private_key": [private_key()],
    "body.stream_url": ["wss://consumer.example.com/audio"],
}

type Statuses = defaultdict[str, set[int]]
"""The statuses that each operation has answered with."""


@pytest.fixture(scope="module")
def bases(stack: DeployedStack) -> dict[str, str]:
    CUSTOMER.create(stack)
    CUSTOMER.put_call(stack, ENDED, "ended")
    for call_id in CALLS:
        CUSTOMER.put_call(stack, call_id)
        for surface, account, name in (
            ("signalwire", CUSTOMER.project, STREAM),
            ("twilio", CUSTOMER.account, f"{STREAM}-twilio"),
        ):
            path = f"/2010-04-01/Accounts/{account}/Calls/{call_id}/Streams"
            headers = CUSTOMER.headers(surface) | {
                "Content-Type": "application/x-www-form-urlencoded"
            }
            body = f"Url=wss%3A%2F%2Fconsumer.example.com&Name={name}".encode()
            assert stack.request(surface, "POST", path, headers, body).status == 200
    for connection_id in CONNECTIONS:
        path = f"/v2/dialogflow_connections/{connection_id}"
        headers = CUSTOMER.headers("telnyx") | {"Content-Type": "application/json"}
        body = json.dumps({"service_account": key_file()}).encode()
        assert stack.request("telnyx", "POST", path, headers, body).status == 201
    return stack.description["rest"]


@pytest.fixture(scope="module")
def statuses() -> Iterator[Statuses]:
    seen: Statuses = defaultdict(set)
    yield seen
    # If nothing was ever accepted, the rest shows little.
    assert [each for each, given in seen.items() if given.isdisjoint({200, 201, 204})] == []


def promises(surface: str, path: str, method: str) -> Callable[..., None]:
    """The test of one operation of a surface."""
    account = CUSTOMER.account if surface == "twilio" else CUSTOMER.project
    values = VALUES | {"path.AccountSid": [account]}
    config: dict[str, Any] = {
        "auth": {"openapi": SECRETS[surface]},
        "dictionaries": {name: {"values": texts} for name, texts in values.items()},
        "parameters": {name: {"dictionary": name, "probability": 0.9} for name in values},
        "seed": 1,
        "generation": {
            "deterministic": True,
            "max-examples": 80,
            "database": "none",
            # Requests without credentials, and with wrong ones, are made besides the others.
            "with-security-parameters": False,
        },
        # API Gateway answers other methods as it answers unknown paths.
        "phases": {"coverage": {"unexpected-methods": []}},
        "checks": {
            "unsupported_method": {"enabled": False},
            # Calls that are unknown or over, names that are taken, rules between fields.
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "404", "409", "400" if surface == "twilio" else "422"]
            },
        },
    }
    schema = schemathesis.openapi.from_dict(
        OPENAPI[surface], config=SchemathesisConfig.from_dict(config)
    )

    def test(case: Case[Any], bases: dict[str, str], statuses: Statuses) -> None:
        answer = case.call_and_validate(bases[surface])
        statuses[case.operation.label].add(answer.status_code)

    parametrized: Callable[..., None] = schema.include(path=path, method=method).parametrize()(test)
    return parametrized


for surface, openapi in OPENAPI.items():
    for path, operations in openapi["paths"].items():
        for method in operations:
            if method == "parameters":
                continue
            # A function for each operation. Schemathesis would give all of them one id, and xdist
            # runs a test of each id.
            name = re.sub(r"\W+", "_", f"test_{surface}_{method}{path}").strip("_")
            globals()[name] = promises(surface, path, method.upper())
