"""`callstream url` and `callstream env`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callstream_cli import gateway
from callstream_cli.local import description
from callstream_cli.local.shell import variables
from callstream_cli.local.stack import LocalStack
from tests.unit.cli.commands import ok, refusal
from tests.unit.cli.local.test_description import ENDPOINT, OUTPUTS

CREDENTIALS = {
    "asapp": {"id": "an-id", "secret": "it's secret"},
    "clerk": {"api_key": "ck_key"},
}
STACK = description.describe(
    OUTPUTS | {"ClerkApiUrl": f"{ENDPOINT}/clerk"},
    CREDENTIALS,
    endpoint=ENDPOINT,
    region="us-east-1",
)

type Requests = list[tuple[Any, ...]]


@pytest.fixture
def _running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStack, "describe", lambda _: STACK)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch, _running: None) -> Requests:
    requests: Requests = []

    def answer(*request: Any) -> bytes:
        requests.append(request)
        return json.dumps(
            {"streamingUrl": "ws://asapp", "data": {"connectUrl": "ws://clerk"}}
        ).encode()

    monkeypatch.setattr(gateway, "_request", answer)
    return requests


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ([], "/mg-genagent/v1/twilio-media-stream-url"),
        (["--route", "autotranscribe"], "/mg-autotranscribe/v1/twilio-media-stream-url"),
    ],
)
def test_url_is_of_asapps_endpoint(requests: Requests, options: list[str], path: str) -> None:
    assert ok("url", *options) == "ws://asapp\n"
    assert requests == [
        (
            "GET",
            STACK["rest"]["asapp"] + path,
            {"asapp-api-id": "an-id", "asapp-api-secret": "it's secret"},
        )
    ]


def test_url_of_an_inbox_is_of_clerks_endpoint(requests: Requests) -> None:
    assert ok("url", "--inbox", "inbox-7") == "ws://clerk\n"
    [(method, url, headers, body)] = requests
    assert (method, url) == ("POST", f"{ENDPOINT}/clerk/public/twilio-connector/connect")
    assert headers["apiKey"] == "ck_key"
    assert json.loads(body) == {"inboxExternalId": "inbox-7"}


@pytest.mark.usefixtures("_running")
def test_url_that_is_refused_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> bytes:
        raise gateway.GatewayError("it answered with HTTP 404", 404)

    monkeypatch.setattr(gateway, "_request", refuse)
    assert refusal("url", "--inbox", "none") == "it answered with HTTP 404"


@pytest.mark.parametrize("command", ["url", "env"])
def test_stack_that_does_not_run_is_an_error(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALLSTREAM_STATE_DIR", str(tmp_path))
    assert refusal(command) == "the local stack is not running. `callstream up` starts it."


@pytest.mark.usefixtures("_running")
def test_env_is_a_script_that_sets_the_variables() -> None:
    script = ok("env") + "env -0"
    shell = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"AWS_PROFILE": "mine"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("=", 1) for line in shell.stdout.split("\0") if line)

    assert found.items() >= variables(STACK).items()
    assert "AWS_PROFILE" not in found


def test_variables_hold_the_addresses_and_credentials() -> None:
    found = variables(STACK)

    assert found["AWS_ENDPOINT_URL"] == ENDPOINT
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "us-east-1"
    assert found["CALLSTREAM_STACK_NAME"] == "callstream-local"
    assert found["CALLSTREAM_CLERK_URL"] == f"{ENDPOINT}/clerk"
    assert found["CALLSTREAM_CLERK_API_KEY"] == "ck_key"
    assert found["CALLSTREAM_STREAMS_TABLE"] == "streams-table"
    assert found["ASAPP_URL"] == found["CALLSTREAM_ASAPP_URL"] == STACK["rest"]["asapp"]
    assert (found["ASAPP_API_ID"], found["ASAPP_API_SECRET"]) == ("an-id", "it's secret")
    # Such a variable would make commands look for a stack on AWS.
    assert "CALLSTREAM_STACK" not in found
