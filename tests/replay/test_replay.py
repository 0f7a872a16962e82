"""Every event of events/ is replayed on its function, and compared with the file beside it.

`<case>.json` is the event that Lambda receives; `<case>.expect.json` has the exact `answer` and,
where they matter, the `records` on Kinesis, the `overflow`, the `items` of the Streams table (only
the named attributes; those of `absent` must be missing), the messages `posted` to WebSocket
connections, the connections that were `closed`, the warm-ups that were sent by part and subject
(`warmed`), and of callbacks those `sent` to tenants' servers,
`put_off` and `buried`. Of an endpoint for connections to virtual agents, `directory` has all of
them, and `secrets` the names of their keys. `given` is the state before: stored items, `secrets`,
services that are `down`, variables of the `environment`, `connections` with their last use, and the
answers of `servers`. A text `~…` is a regular expression.
"""

import importlib.util
import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from botocore.endpoint import Endpoint
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from callstream.adapters.aws import signed_client
from callstream.adapters.aws.kept_connections import KeptConnections
from callstream.adapters.network.https import PinnedClient
from tests import template
from tests.replay.iam import Request, allows
from tests.replay.permissions import (
    BEYOND_EVENTS,
    is_needed,
    permissions,
    requests,
    statements,
)
from tests.replay.signed import exchange
from tests.replay.world import NOW, Servers, Sockets, World

EVENTS = template.ROOT / "events"
# EventBridge's limit of one request.
MOST_EVENTS = 10
CASES = sorted(EVENTS.glob("*/*.expect.json"))


class Context:
    """Lambda's context, as Powertools reads it."""

    function_name = "replayed"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:replayed"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """The remaining time, as if the invocation had just begun."""
        return 28_000


@contextmanager
def account(function: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account in which a function's events are replayed."""
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(KeptConnections, "connect", lambda _: None)
    monkeypatch.setattr(KeptConnections, "exchange", exchange)
    monkeypatch.setattr(signed_client, "uniform", lambda *_: 0)
    with mock_aws(), time_machine.travel(NOW, tick=False):
        yield World(function)


def load(function: str) -> Callable[[Any, Any], Any]:
    """Import a function's module anew, as a cold start does."""
    path = template.ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"replayed_{function}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[Any, Any], Any] = module.handler
    return handler


@contextmanager
def only_allowed_requests(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Request]]:
    """Fail if IAM would deny the function a request; collect what IAM is asked for."""
    send, taken = Endpoint.make_request, list[Request]()

    def note(self: Endpoint, operation_model: Any, request_dict: Any) -> Any:
        service = operation_model.service_model.service_name
        taken.extend(requests(service, operation_model.name, request_dict))
        return send(self, operation_model, request_dict)

    with monkeypatch.context() as patch:
        patch.setattr(Endpoint, "make_request", note)
        yield taken
    policies = statements(function)
    assert [each for each in taken if not allows(policies, each)] == []


def take_down(services: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these services unreachable, below the clients' retries."""
    request = Endpoint.make_request

    def refuse(self: Endpoint, operation_model: Any, request_dict: Any) -> Any:
        if operation_model.service_model.service_name in services:
            raise EndpointConnectionError(endpoint_url="https://down")
        return request(self, operation_model, request_dict)

    monkeypatch.setattr(Endpoint, "make_request", refuse)


def connect(
    sockets: Sockets, started: list[Any], warmed: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set the connections of an API, and collect the functions that are started, and warm-ups."""
    request = Endpoint.make_request

    def answer(self: Endpoint, operation_model: Any, request_dict: Any) -> Any:
        service = operation_model.service_model.service_name
        if service == "apigatewaymanagementapi":
            return sockets.answer(operation_model.name, request_dict)
        if service == "lambda":
            _, _, name = request_dict["url_path"].partition("/functions/")
            started.append(json.loads(request_dict["body"]) | {"function": name.partition("/")[0]})
            return SimpleNamespace(status_code=202), {"StatusCode": 202}
        if service == "events":
            entries = json.loads(request_dict["body"])["Entries"]
            assert len(entries) <= MOST_EVENTS
            for entry in entries:
                about = json.loads(entry["Detail"])["warm_up"]
                warmed[" ".join([entry["DetailType"], *about.values()]).strip()] += 1
            return SimpleNamespace(status_code=200), {"Entries": [{} for _ in entries]}
        return request(self, operation_model, request_dict)

    monkeypatch.setattr(Endpoint, "make_request", answer)


def serve(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the tenants' servers, and accept any message whose visibility is changed."""
    request = Endpoint.make_request

    def answer(self: Endpoint, operation_model: Any, request_dict: Any) -> Any:
        if operation_model.name == "ChangeMessageVisibility":
            return servers.answer(request_dict)
        return request(self, operation_model, request_dict)

    monkeypatch.setattr(Endpoint, "make_request", answer)
    monkeypatch.setattr(PinnedClient, "send", servers.send)
    monkeypatch.setattr(socket, "getaddrinfo", servers.resolve)


def assert_matches(expected: Any, actual: Any, where: str) -> None:
    """Compare, with `~…` as regular expressions."""
    match expected:
        case dict():
            assert isinstance(actual, dict), where
            assert expected.keys() == actual.keys(), where
            for name, value in expected.items():
                assert_matches(value, actual[name], f"{where}.{name}")
        case list():
            assert isinstance(actual, list), where
            assert_each_matches(expected, actual, where)
        case str() if expected.startswith("~"):
            assert re.fullmatch(expected[1:], actual), where
        case _:
            assert expected == actual, where


def assert_each_matches(expected: list[Any], actual: list[Any], where: str) -> None:
    """Compare lists, item by item."""
    assert len(expected) == len(actual), where
    for index, (wanted, found) in enumerate(zip(expected, actual, strict=True)):
        assert_matches(wanted, found, f"{where}.{index}")


def items(world: World, key: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of the Streams table under a key, whose sort key may be a regular expression.

    Of relays with any ids, those of the sink that is named.
    """
    if not key["sk"].startswith("~"):
        item = world.streams.get({"pk": key["pk"], "sk": key["sk"]})
        return [] if item is None else [item]
    partition = world.streams.query(key["pk"], key["sk"][1:].partition("#")[0])
    return [
        item
        for item in partition
        if re.fullmatch(key["sk"][1:], item["sk"])
        if key.get("sink", item.get("sink")) == item.get("sink")
    ]


def plain(answer: Any) -> Any:
    """An answer with its JSON body parsed, if it has a body."""
    if isinstance(answer, dict) and isinstance(answer.get("body"), str) and answer["body"]:
        return answer | {"body": json.loads(answer["body"])}
    return answer


def test_every_function_has_events_and_every_event_an_expectation() -> None:
    functions = {path.parent.name for path in template.ROOT.glob("functions/*/app.py")}
    assert functions == {path.parent.name for path in CASES}

    events = {path for path in EVENTS.glob("*/*.json") if not path.name.endswith(".expect.json")}
    assert events == {path.with_name(path.name.replace(".expect", "")) for path in CASES}


@pytest.mark.parametrize("function", sorted({case.parent.name for case in CASES}))
def test_replay(function: str, subtests: pytest.Subtests) -> None:
    unneeded = permissions(function)
    for case in CASES:
        if case.parent.name == function:
            with subtests.test(case.name[:-12]), pytest.MonkeyPatch.context() as monkeypatch:
                taken = replay(case, monkeypatch)
                unneeded = {
                    permission: statement
                    for permission, statement in unneeded.items()
                    if not is_needed(statement, taken)
                }
    assert unneeded.keys() == BEYOND_EVENTS.get(function, set())


def replay(case: Path, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Replay an event and compare; return what IAM was asked for."""
    function = case.parent.name
    event = json.loads(case.with_name(case.name.replace(".expect", "")).read_text())
    expected = json.loads(case.read_text(), parse_float=Decimal)
    given = expected.get("given", {})
    started: list[Any] = []
    warmed = Counter[str]()
    sockets, servers = Sockets(given.get("connections", {})), Servers(given.get("servers", {}))
    with account(function, monkeypatch) as world:
        for item in given.get("streams", []):
            # JSON has no sets.
            sets = {name: set(item[name]) for name in ("streams", "open_streams") if name in item}
            world.streams.put(item | sets)
        for item in given.get("directory", []):
            world.directory.put(item)
        world.put_agent_keys(given.get("secrets", {}))
        variables = world.environment(function) | given.get("environment", {})
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        handler = load(function)

        with monkeypatch.context() as outage:
            connect(sockets, started, warmed, outage)
            if function == "callback_delivery":
                serve(servers, outage)
            with only_allowed_requests(function, monkeypatch) as taken:
                take_down(set(given.get("down", [])), outage)
                answer = handler(event, Context())

        assert_matches(expected["answer"], plain(answer), "answer")
        assert_each_matches(expected.get("started", []), started, "started")
        assert_matches(expected.get("warmed", {}), dict(warmed), "warmed")
        # Effects that the file does not name must not have happened.
        assert_matches(expected.get("records", []), world.records(), "records")
        assert_matches(expected.get("overflow", []), world.overflow(), "overflow")
        # Posts to two connections may be made at the same time.
        posted = sorted(sockets.posted, key=itemgetter("connection_id"))
        assert_matches(expected.get("posted", []), posted, "posted")
        assert_matches(expected.get("closed", []), sockets.closed, "closed")
        assert_each_matches(expected.get("sent", []), servers.sent, "sent")
        assert_each_matches(expected.get("put_off", []), servers.put_off, "put_off")
        assert_matches(expected.get("queued", []), world.queued(), "queued")
        assert_matches(expected.get("buried", []), world.buried(), "buried")
        if function.endswith("_dialogflow_connection"):
            assert_matches(expected.get("directory", []), world.connections(), "directory")
            assert_each_matches(expected.get("secrets", []), world.agent_keys(), "secrets")
        for wanted in expected.get("streams", []):
            [item] = items(world, wanted)
            assert_matches(wanted, {name: item.get(name) for name in wanted}, wanted["sk"])
        for unwanted in expected.get("absent", []):
            assert items(world, unwanted) == []
    return taken
