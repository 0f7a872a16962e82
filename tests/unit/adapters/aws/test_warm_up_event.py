from collections.abc import Mapping
from typing import Any

import pytest

from callstream.adapters.aws.warm_up_event import HOLD_SECONDS, warmable


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the handler slept."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def test_warm_up_prepares_what_the_call_needs(caplog: pytest.LogCaptureFixture) -> None:
    prepared: list[Mapping[str, str]] = []

    @warmable(prepared.append)
    def handler(_event: dict[str, Any], _context: object) -> str:
        raise AssertionError

    assert handler({"warm_up": {"sink": "websocket"}}, None) is None
    assert prepared == [{"sink": "websocket"}]
    assert caplog.messages == []


def test_warm_up_holds_an_environment_that_was_warm_before(slept: list[float]) -> None:
    @warmable()
    def handler(_event: dict[str, Any], _context: object) -> str:
        return "a call's"

    handler({"warm_up": {}}, None)
    assert slept == []  # a call may wait for this environment

    handler({"body": ""}, None)
    assert slept == []

    handler({"warm_up": {}}, None)
    assert slept == [HOLD_SECONDS]


def test_warm_up_holds_an_environment_that_has_served_calls(slept: list[float]) -> None:
    @warmable()
    def handler(_event: dict[str, Any], _context: object) -> str:
        return "a call's"

    handler({"body": ""}, None)
    handler({"warm_up": {}}, None)

    assert slept == [HOLD_SECONDS]


def test_warm_up_that_fails_is_no_failure_of_the_function(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def prepare(_about: Mapping[str, str]) -> None:
        raise OSError

    @warmable(prepare)
    def handler(_event: dict[str, Any], _context: object) -> str:
        raise AssertionError

    assert handler({"warm_up": {}}, None) is None
    assert caplog.messages == []


@pytest.mark.parametrize(
    "event",
    [
        {"body": '{"warm_up": {}}'},
        {"queryStringParameters": {"warm_up": "{}"}, "headers": {"warm_up": "{}"}},
        {"requestContext": {"authorizer": {"warm_up": "{}"}}},
        {"Records": [{"body": "warm_up"}]},
    ],
)
def test_nothing_that_a_stranger_sends_is_a_warm_up(
    event: dict[str, Any], slept: list[float]
) -> None:
    @warmable()
    def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
        return event

    assert handler(event, None) is event
    assert slept == []
