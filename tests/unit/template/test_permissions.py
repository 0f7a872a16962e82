"""Permissions of the functions: the template names every action and resource."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import template

RESOURCES = template.load()["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
# Resources with many names, of which only the beginning is known.
# Actions that IAM knows no resources for.
WITHOUT_RESOURCES = {"transcribe:StartStreamTranscriptionWebSocket"}
BY_PREFIX = (
    "/@connections/*",
    ":secret:${AWS::StackName}/dialogflow/*",
    ":secret:${AWS::StackName}/twilio/*",
)


def statements(function: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in function["Policies"]:
        for statement in policy["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def texts(value: Any) -> Iterator[str]:
    """Every string in a value of the template."""
    match value:
        case str():
            yield value
        case dict():
            for part in value.values():
                yield from texts(part)
        case list():
            for part in value:
                yield from texts(part)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_policies_name_every_action(name: str) -> None:
    for statement in statements(FUNCTIONS[name]):
        assert statement["Effect"] == "Allow"
        actions = list(texts(statement["Action"]))
        assert actions
        assert not any("*" in action for action in actions)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_policies_name_only_resources_of_the_deployment(name: str) -> None:
    for statement in statements(FUNCTIONS[name]):
        resources = list(texts(statement["Resource"]))
        assert resources
        if {*texts(statement["Action"])} <= WITHOUT_RESOURCES:
            continue
        for resource in resources:
            assert "*" not in resource or resource.endswith(BY_PREFIX), resource


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_no_role_from_outside_the_template(name: str) -> None:
    assert "Role" not in FUNCTIONS[name]
    assert all(isinstance(policy, dict) for policy in FUNCTIONS[name]["Policies"])


def test_function_that_invokes_itself_allows_recursion() -> None:
    recursive = [
        function
        for function in FUNCTIONS.values()
        for statement in statements(function)
        if "lambda:InvokeFunction" in texts(statement["Action"])
        for resource in texts(statement["Resource"])
        if "FunctionName" in function
        and resource.endswith(next(texts(function["FunctionName"])).rpartition("}")[2])
    ]

    assert [function["CodeUri"] for function in recursive] == [
        "functions/relay",
        "functions/transcription",
        "functions/dialogflow",
    ]
    assert all(function["RecursiveLoop"] == "Allow" for function in recursive)
