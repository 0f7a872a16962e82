"""What the functions may do: the template grants nothing by the dozen."""

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
# Of these there are many, which are known by the beginning of their names alone.
BY_PREFIX = ("/@connections/*", ":secret:${AWS::StackName}/twilio/*")


def statements(function: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in function["Policies"]:
        yield from policy["Statement"]


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
def test_every_action_is_named(name: str) -> None:
    for statement in statements(FUNCTIONS[name]):
        assert statement["Effect"] == "Allow"
        actions = list(texts(statement["Action"]))
        assert actions
        assert not any("*" in action for action in actions)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_resource_is_one_of_this_deployments_own(name: str) -> None:
    for statement in statements(FUNCTIONS[name]):
        resources = list(texts(statement["Resource"]))
        assert resources
        for resource in resources:
            assert "*" not in resource or resource.endswith(BY_PREFIX), resource


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nobody_has_a_role_that_is_not_in_the_template(name: str) -> None:
    assert "Role" not in FUNCTIONS[name]
    assert all(isinstance(policy, dict) for policy in FUNCTIONS[name]["Policies"])


def test_a_function_that_starts_itself_is_not_taken_for_a_loop() -> None:
    selves = [
        function
        for function in FUNCTIONS.values()
        for statement in statements(function)
        if "lambda:InvokeFunction" in texts(statement["Action"])
        for resource in texts(statement["Resource"])
        if "FunctionName" in function
        and resource.endswith(next(texts(function["FunctionName"])).rpartition("}")[2])
    ]

    assert [function["CodeUri"] for function in selves] == ["functions/relay"]
    assert all(function["RecursiveLoop"] == "Allow" for function in selves)
