"""The events of events/ in containers: `sam local invoke`, and `sam local start-api` over HTTP.

Both answer as the files beside the events expect, and `start-api` also like the deployed stack.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from _pytest.mark import ParameterSet

from tests import template
from tests.replay.test_replay import CASES, assert_matches, plain
from tests.sam.conftest import Account, SamLocal
from tests.stack.conftest import PATIENCE

# The request id in the events; the real id is only known afterwards.
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DATE = "[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} [+]0000"
SID = "MZ[0-9a-f]{32}"
MEDIA_URL = r"wss?://[^\"]*eyJ[^\"]*"
# Their values are checked in tests/replay, where time stands still.
MOMENTARY = {"streamingSeconds", "x-ratelimit-reset", "counts"}
# The other headers are API Gateway's.
HEADERS = re.compile("content-type|x-request-id|x-ratelimit-.*")

OUTAGE = "needs a service that is down: see tests/replay"
SETTING = "needs another setting than the deployed function has: see tests/replay"
SERVERS = "needs a tenant's server: see tests/replay"
ONLY_THEN = "correct only at the event's time"
NO_CLIENT = "HTTP clients cannot send it"
NOT_UTF8 = "`sam local start-api` refuses bodies that are not UTF-8"
SLASH = "`sam local start-api` and the emulator decode an encoded slash"
TWILIOS = "`sam local start-api` has one port for all APIs, and the path is Twilio's there"
IMPOSSIBLE = ("media_authorizer/ok", "telnyx_streaming_start/ok-repeated-after-the-call")
IMPOSSIBLE_OVER_HTTP = {
    "400-not-base64": NO_CLIENT,
    "401-odd-id": NO_CLIENT,
    "400-not-utf8": NOT_UTF8,
    "404-odd-id": SLASH,
    "422-odd-id": SLASH,
    "ok-encoded-call-id": SLASH,
    "ok-by-encoded-name": SLASH,
    "ok-sdk-path": TWILIOS,
    "ok-sdk-path-json": TWILIOS,
}
IMPOSSIBLE_LOCALLY = {"connect-by-another-role": "the emulator has no roles: see tests/replay"}


@dataclass(frozen=True)
class Case:
    """One event, with its expected result."""

    path: Path

    @property
    def function(self) -> str:
        return self.path.parent.name

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".expect.json")

    @property
    def surface(self) -> str:
        return self.function.partition("_")[0]

    @property
    def event_file(self) -> Path:
        return self.path.with_name(f"{self.name}.json")

    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.event_file.read_text())
        return event

    def expected(self) -> dict[str, Any]:
        expected: dict[str, Any] = json.loads(self.path.read_text())
        return expected

    def parameter(self, reasons: Mapping[str, str]) -> ParameterSet:
        """The case for pytest, skipped if ``reasons`` or the expected result demand it."""
        case_id = f"{self.function}/{self.name}"
        reason = reasons.get(self.name)
        if case_id.startswith(IMPOSSIBLE):
            reason = ONLY_THEN
        given = self.expected().get("given", {})
        if "down" in given:
            reason = OUTAGE
        if "environment" in given:
            reason = SETTING
        if not {"sent", "put_off", "buried"}.isdisjoint(self.expected()):
            reason = SERVERS
        marks = [pytest.mark.skip(reason)] if reason else []
        return pytest.param(self, id=case_id, marks=marks)


ALL = [Case(path) for path in CASES]
HTTP = [case for case in ALL if "httpMethod" in case.event()]


def one_of_each() -> Iterator[Case]:
    """The first success and the first failure of every function."""
    for _function, group in groupby(ALL, lambda case: case.function):
        successes = groupby(group, lambda case: case.name.startswith("ok"))
        for _is_success, cases in successes:
            yield next(cases)


def comparable(value: Any) -> Any:
    """An answer without values that depend on the time, with header names in lower case."""
    match value:
        case {"headers": dict(headers), **rest}:
            lower = {name.lower(): text for name, text in headers.items()}
            return comparable(rest) | {"headers": comparable(lower)}
        case dict():
            return {name: comparable(part) for name, part in value.items() if name not in MOMENTARY}
    return value


def unknown_before(expected: Any) -> Any:
    """The expected answer, with patterns for ids and times that are not known before."""
    match expected:
        case dict():
            return {name: unknown_before(part) for name, part in expected.items()}
        case str() if expected == REQUEST_ID:
            return f"~{UUID}"
        case str() if re.fullmatch(DATE, expected):
            return f"~{DATE}"
    return expected


def assert_answers(case: Case, answer: Any) -> None:
    expected = unknown_before(comparable(case.expected()["answer"]))
    assert_matches(expected, comparable(answer), "answer")


def without_ids(answer: dict[str, Any]) -> str:
    """An answer as text for comparison, without ids and times."""
    text = json.dumps(comparable(answer), sort_keys=True)
    return re.sub(f"{UUID}|{SID}|{DATE}|{MEDIA_URL}", "…", text)


def ask(base: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Send the request of an event; returns the answer in the form of a function's answer."""
    url = urlsplit(base)
    body = event["body"]
    if body is not None:
        body = b64decode(body) if event["isBase64Encoded"] else body.encode()
    headers = {
        name: value
        for name, value in (event["headers"] or {}).items()
        if name != "Host" and not name.startswith("X-")
    }
    connection = HTTPConnection(url.netloc, timeout=PATIENCE)
    try:
        connection.request(event["httpMethod"], url.path + event["path"], body, headers)
        response = connection.getresponse()
        ours = {name.lower(): value for name, value in response.getheaders()}
        answered = response.read()
        if not answered:
            # What a body is of that is not there: API Gateway's choice.
            ours.pop("content-type", None)
        return {
            "statusCode": response.status,
            "headers": {name: value for name, value in ours.items() if HEADERS.fullmatch(name)},
            "body": json.loads(answered) if answered else "",
        }
    finally:
        connection.close()


@pytest.mark.parametrize("case", [case.parameter(IMPOSSIBLE_OVER_HTTP) for case in HTTP])
def test_start_api(case: Case, account: Account, api: str) -> None:
    account.given(case.expected())
    deployed = ask(account.description["rest"][case.surface], case.event())
    account.given(case.expected())
    local = ask(api, case.event())

    assert_answers(case, local)
    assert without_ids(local) == without_ids(deployed)


@pytest.mark.parametrize("case", [case.parameter(IMPOSSIBLE_LOCALLY) for case in one_of_each()])
def test_invoke(case: Case, account: Account, sam: SamLocal) -> None:
    account.given(case.expected())
    [logical_id] = [
        name
        for name, resource in template.load()["Resources"].items()
        if resource["Properties"].get("CodeUri") == f"functions/{case.function}"
    ]

    assert_answers(case, plain(sam.invoke(logical_id, case.event_file)))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("DELETE", "/public/twilio-connector/connect")]
)
def test_start_api_differs_only_for_unknown_paths(api: str, method: str, path: str) -> None:
    # `sam local start-api` ignores GatewayResponses.
    answer = ask(api, {"httpMethod": method, "path": path, "headers": {}, "body": None})

    assert answer["statusCode"] == 403
    assert answer["body"] == {"message": "Missing Authentication Token"}
