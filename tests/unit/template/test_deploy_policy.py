"""What people who deploy need: a policy that covers what the template has, and no questions."""

import json
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest

from tests import template
from tests.template import ROOT

POLICY: Final = (ROOT / "docs" / "deploy-policy.json").read_text()
STATEMENTS: Final[list[dict[str, Any]]] = json.loads(POLICY)["Statement"]
CONFIGURATION: Final = tomllib.loads((ROOT / "samconfig.toml").read_text())
STACK: Final = CONFIGURATION["default"]["global"]["parameters"]["stack_name"]
# What SAM makes of its own types, by services.
OF_SAM: Final = {
    "Api": {"apigateway", "lambda"},
    "Function": {"iam", "lambda"},
    "LayerVersion": {"lambda"},
    "WebSocketApi": {"apigateway", "lambda"},
}
OF_EVENTS: Final = {
    "Api": set(),
    "EventBridgeRule": {"events", "lambda"},
    "Kinesis": {"lambda"},
    "SQS": {"lambda"},
    "Schedule": {"events"},
}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


ACTIONS: Final = {action for each in STATEMENTS for action in listed(each["Action"])}


def services() -> Iterator[tuple[str, str]]:
    """Each type of the template, with a service in which it makes something."""
    for resource in template.load()["Resources"].values():
        _, family, kind = resource["Type"].split("::")
        made = OF_SAM[kind] if family == "Serverless" else {family.lower()}
        for event in resource["Properties"].get("Events", {}).values():
            made = made | OF_EVENTS[event["Type"]]
        yield from ((resource["Type"], service) for service in made)


@pytest.mark.parametrize(("kind", "service"), sorted(set(services())))
def test_policy_lets_a_resource_be_made_and_deleted(kind: str, service: str) -> None:
    mine = {action for action in ACTIONS if action.startswith(f"{service}:")}

    for verbs in (("Create*", "Put*", "POST"), ("Delete*", "DELETE")):
        names = [action.removeprefix(f"{service}:") for action in mine]
        assert any(fnmatchcase(name, verb) for name in names for verb in verbs), kind


def test_policy_is_for_the_stack_of_samconfig() -> None:
    resources = {
        resource
        for each in STATEMENTS
        for resource in listed(each["Resource"])
        if resource != "*" and "aws-s" not in resource
    }
    # CloudFormation names layers and secrets without the stack.
    made = {
        f"{kind}:{name}-0"
        for name, resource in template.load()["Resources"].items()
        for kind in [resource["Type"].rpartition("::")[2].removesuffix("Version").lower()]
        if kind in {"layer", "secret"}
    }

    for name in made:
        assert any(fnmatchcase(f":{name}", f"*:{tail(each)}") for each in resources), name
    for resource in resources:
        known = (STACK, ":layer:", ":secret:", "apigateway:", "transform/")
        assert any(part in resource for part in known), resource


def tail(resource: str) -> str:
    """The last two parts of an ARN."""
    return ":".join(resource.split(":")[-2:])


def test_roles_have_no_more_than_the_managed_policies_of_functions() -> None:
    [attach] = [each for each in STATEMENTS if "iam:AttachRolePolicy" in listed(each["Action"])]
    [pass_role] = [each for each in STATEMENTS if "iam:PassRole" in listed(each["Action"])]

    managed = "arn:aws:iam::aws:policy/service-role/AWSLambda*"
    assert attach["Condition"] == {"ArnLike": {"iam:PolicyARN": managed}}
    passed = {"iam:PassedToService": "lambda.amazonaws.com"}
    assert pass_role["Condition"] == {"StringEquals": passed}


def test_policy_fits_into_a_managed_policy() -> None:
    # IAM's limit, which does not count white space.
    assert len("".join(POLICY.split())) <= 6144


def test_deployment_asks_nothing() -> None:
    deploy = CONFIGURATION["default"]["deploy"]["parameters"]

    assert deploy["confirm_changeset"] is False
    assert deploy["fail_on_empty_changeset"] is False  # a repeated command succeeds
    assert deploy["resolve_s3"] is True
    assert all("Default" in each for each in template.load()["Parameters"].values())
    # `sam deploy --guided` asks about each path of an API without it.
    assert template.load()["Globals"]["Api"]["Auth"]
