"""The template as CloudFormation deploys it: with names and ARNs in place of references."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests import template

STACK: Final = "replay"
REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
_PSEUDO: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}
_NO_VALUE: Final = {"Ref": "AWS::NoValue"}
_ROLE: Final = "Role"  # what SAM appends to the logical id of a function
# What `!GetAtt X.Arn` gives, by the last part of the resource's type; {} is what `!Ref X` gives.
_ARNS: Final = {
    "Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
    "Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "Stream": "arn:aws:kinesis:{region}:{account}:stream/{name}",
    "Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
}


class Deployment:
    """A deployment to AWS with these parameters, the others at their defaults.

    A resource that CloudFormation names has its logical id as its name.
    """

    def __init__(self, **parameters: str) -> None:
        loaded = template.load()
        self.parameters: Mapping[str, str] = {
            name: str(parameters.get(name, parameter["Default"]))
            for name, parameter in loaded["Parameters"].items()
        }
        assert parameters.keys() <= self.parameters.keys()
        self._conditions: dict[str, Any] = loaded["Conditions"]
        self._resources: dict[str, Any] = loaded["Resources"]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The properties of the resources that the deployment has, by logical ids."""
        return {
            name: self.resolve(resource["Properties"])
            for name, resource in self._resources.items()
            if self.has(name)
        }

    def has(self, name: str) -> bool:
        """Whether the resource's condition is met."""
        condition = self._resources[name].get("Condition")
        return condition is None or self._is_met(condition)

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of a type."""
        return {
            name: properties
            for name, properties in self.resources.items()
            if self._resources[name]["Type"] == kind
        }

    def function(self, folder: str) -> dict[str, Any]:
        """The properties of the function whose code is in that folder."""
        functions = self.of_type("AWS::Serverless::Function").values()
        [found] = [each for each in functions if each["CodeUri"] == f"functions/{folder}"]
        return found

    def resolve(self, value: Any) -> Any:
        """A value of the template, without CloudFormation's functions."""
        match value:
            case dict() if len(value) == 1 and (function := next(iter(value))) in self._functions:
                return self._functions[function](value[function])
            case dict():
                present = {name: part for name, part in value.items() if not self._is_none(part)}
                return {name: self.resolve(part) for name, part in present.items()}
            case list():
                return [self.resolve(part) for part in value if not self._is_none(part)]
        return value

    @property
    def _functions(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Fn::GetAtt": self._attribute,
            "Fn::If": lambda parts: self.resolve(self._chosen(*parts)),
            "Fn::Join": lambda parts: parts[0].join(self.resolve(parts[1])),
            "Fn::Select": lambda parts: self.resolve(parts[1])[int(parts[0])],
            "Fn::Split": lambda parts: self.resolve(parts[1]).split(parts[0]),
            "Fn::Sub": lambda given: (
                self._substitute(given, {})
                if isinstance(given, str)
                else self._substitute(given[0], self.resolve(given[1]))
            ),
        }

    def _chosen(self, condition: str, when_met: Any, otherwise: Any) -> Any:
        return when_met if self._is_met(condition) else otherwise

    def _is_none(self, value: Any) -> bool:
        if isinstance(value, dict) and value.keys() == {"Fn::If"}:
            return self._is_none(self._chosen(*value["Fn::If"]))
        return bool(value == _NO_VALUE)

    def _is_met(self, condition: str) -> bool:
        return self._decide(self._conditions[condition])

    def _decide(self, condition: Any) -> bool:
        match condition:
            case {"Condition": str(name)}:
                return self._is_met(name)
            case {"Fn::Equals": [one, other]}:
                return str(self.resolve(one)) == str(self.resolve(other))
            case {"Fn::Not": [negated]}:
                return not self._decide(negated)
            case {"Fn::And": list(parts)}:
                return all(map(self._decide, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self._decide, parts))
        raise AssertionError(f"not a condition: {condition}")

    def _ref(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        if name not in self._resources:
            assert self._kind(name.removesuffix(_ROLE)) == "Function", name
            return f"{STACK}-{name}-0"
        match self._kind(name):
            case "Queue":
                return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self._name(name)}"
            case "Secret":
                return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf"
        # API Gateway's ids have no capitals, as host names.
        own = self._name(name)
        return own.lower() if self._kind(name) in {"Api", "WebSocketApi"} else own

    def _name(self, name: str) -> str:
        properties = self._resources[name]["Properties"]
        given = properties.get(f"{self._kind(name)}Name")
        own = name if given is None else str(self.resolve(given))
        return f"{own}.fifo" if properties.get("FifoQueue") else own

    def _kind(self, name: str) -> str:
        return str(self._resources[name]["Type"].rpartition("::")[2])

    def _attribute(self, attribute: str) -> str:
        name, _, rest = attribute.partition(".")
        if rest == "QueueName":
            return self._name(name)
        if rest == "Arn":
            return _ARNS[self._kind(name)].format(
                region=REGION, account=ACCOUNT, name=self._name(name)
            )
        return attribute

    def _substitute(self, text: str, values: Mapping[str, str]) -> str:
        def part(match: re.Match[str]) -> str:
            name = match[1]
            if name in values:
                return values[name]
            return self._attribute(name) if "." in name else self._ref(name)

        return re.sub(r"\$\{([\w:.]+)\}", part, text)
