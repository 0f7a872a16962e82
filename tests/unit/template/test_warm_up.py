"""Warm-ups: the template's rules bring each part of a call's way to its functions."""

from typing import Any, get_args

from callstream.identity import SinkKind
from callstream.warm_up import Part
from tests import template
from tests.template import ROOT

RULES = {
    resource["Properties"]["CodeUri"].removeprefix("functions/"): event["Properties"]
    for resource in template.load()["Resources"].values()
    for event in resource["Properties"].get("Events", {}).values()
    if event["Type"] == "EventBridgeRule"
}
SOURCE = {"Fn::Sub": "callstream.${AWS::StackName}"}


def functions(part: str) -> set[str]:
    return {name for name, rule in RULES.items() if rule["Pattern"]["detail-type"] == [part]}


def test_parts_are_the_functions_of_a_calls_way() -> None:
    assert {part: functions(part) for part in get_args(Part)} == {
        "connect": {"media_authorizer", "media_connect"},
        "event": {"media_event"},
        "frame": {"media_frame"},
        "relay": {"relay", "relay_subscription", "fan_out", "transcription", "dialogflow"},
    }


def test_functions_of_one_sink_are_warmed_for_that_sink_alone() -> None:
    for name in ("transcription", "dialogflow"):
        assert name in get_args(SinkKind)
        assert RULES[name]["Pattern"]["detail"] == {"warm_up": {"sink": [name]}}


def test_functions_with_a_rule_know_warm_ups() -> None:
    knowing = {
        path.parent.name
        for path in ROOT.glob("functions/*/app.py")
        if "\n@warmable(" in path.read_text()
    }
    assert knowing == {*RULES}


def test_rules_are_for_events_of_this_stack_that_arrive_soon() -> None:
    for rule in RULES.values():
        assert rule["Pattern"]["source"] == [SOURCE]
        assert rule["InputPath"] == "$.detail"
        assert rule["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}


def test_functions_send_events_of_this_stack_alone() -> None:
    policies = [
        resource["Properties"].get("Policies", [])
        for resource in template.load()["Resources"].values()
    ]
    conditions = [
        statement["Condition"]
        for of_function in policies
        for policy in of_function
        if isinstance(policy, dict)
        for each in policy["Statement"]
        for statement in [each.get("Fn::If", ["", each])[1]]
        if statement["Action"] == "events:PutEvents"
    ]
    # The key has several values: AWS's own examples use this operator.
    assert conditions
    for condition in conditions:
        assert condition == {"ForAllValues:StringEquals": {"events:source": SOURCE}}


def test_functions_are_not_asked_for_a_late_warm_up() -> None:
    for resource in template.load()["Resources"].values():
        properties: dict[str, Any] = resource["Properties"]
        if properties.get("CodeUri", "").removeprefix("functions/") in RULES:
            invoked = properties["EventInvokeConfig"]
            assert invoked == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
