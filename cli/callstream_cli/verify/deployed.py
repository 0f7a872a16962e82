"""The deployment under test: its parts, and clients for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

from callstream_cli.local import description
from callstream_cli.local.description import StackDescription
from callstream_cli.local.stack import STACK_NAME
from callstream_cli.operator.errors import output

_FUNCTION: Final = "AWS::Lambda::Function"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the stack; `physical` is AWS's own id of the resource."""

    kind: str
    physical: str


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed stack. `stack` is its name on AWS; None for the local stack."""

    stack: str | None
    region: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    resources: Mapping[str, Resource]
    """By their names in the template."""
    _clients: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, stack: str | None, outputs: Mapping[str, str]) -> Self:
        """Read the stack that has these outputs.

        Raises:
            ClientError: CloudFormation refuses.
            BotoCoreError: CloudFormation does not answer.
        """
        clients: dict[str, Any] = {}
        cloudformation = _client(clients, "cloudformation")
        name = stack or STACK_NAME
        [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        return cls(
            stack=stack,
            region=cloudformation.meta.region_name,
            outputs=outputs,
            parameters={
                each["ParameterKey"]: each.get("ParameterValue", "")
                for each in described.get("Parameters", [])
            },
            resources={
                each["LogicalResourceId"]: Resource(
                    each["ResourceType"], each.get("PhysicalResourceId", "")
                )
                for page in pages
                for each in page["StackResourceSummaries"]
            },
            _clients=clients,
        )

    @property
    def is_local(self) -> bool:
        """Whether this is the local stack, which costs nothing and is not AWS."""
        return self.stack is None

    @property
    def name(self) -> str:
        """The stack's name, for people."""
        return self.stack or "the local stack"

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - of any service
        """A client of AWS for the stack's account and region."""
        return _client(self._clients, service, **options)

    def physical(self, name: str) -> str:
        """AWS's id of a resource of the template. Raises `OperatorError`."""
        return output({each: of.physical for each, of in self.resources.items()}, name)

    def of_kind(self, kind: str) -> dict[str, str]:
        """The resources of a type: AWS's ids by the names in the template."""
        return {name: of.physical for name, of in self.resources.items() if of.kind == kind}

    @property
    def functions(self) -> dict[str, str]:
        """The functions: AWS's names by those in the template, without `Function`."""
        named = self.of_kind(_FUNCTION)
        return {name.removesuffix("Function"): physical for name, physical in named.items()}

    def describe(self, credentials: description.Credentials) -> StackDescription:
        """The stack as the simulated carriers' requests see it, for a tenant."""
        return description.describe(self.outputs, credentials, endpoint="", region=self.region)

    def media_endpoint(self, scheme: str) -> str:
        """API Gateway's own URL of the media stage, with a plain scheme: `http` or `ws`.

        The outputs name the API only if CloudFront is not in front of it.
        """
        base = urlsplit(output(self.outputs, "AsappApiUrl"))
        was, now = self.physical("AsappApi"), self.physical("MediaApi")
        path = base.path.removesuffix("/asapp").replace(was, now) + "/media"
        secure = "s" if base.scheme == "https" else ""
        return urlunsplit((scheme + secure, base.netloc.replace(was, now), path, "", ""))


def _client(clients: dict[str, Any], service: str, **options: Any) -> Any:  # noqa: ANN401
    import boto3  # noqa: PLC0415 - slow, as the next
    from botocore.config import Config  # noqa: PLC0415

    if service not in clients:
        # A person is waiting; throttling is AWS's answer to too many looks.
        config = Config(
            connect_timeout=5,
            read_timeout=15,
            retries={"mode": "standard", "total_max_attempts": 5},
        )
        clients[service] = boto3.client(service, config=config, **options)  # type: ignore[call-overload]
    return clients[service]
