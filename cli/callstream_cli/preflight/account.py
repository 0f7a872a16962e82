"""Reads what an AWS account and region allow, and how much of that is in use."""

from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# A person is waiting, and botocore's default time-outs add up to minutes.
_CONFIG: Final = Config(
    connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3}
)
# Where AWS keeps the quotas of services that are one for all regions.
GLOBAL_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as Service Quotas knows it."""

    service: str
    code: str
    is_global: bool = False


CONCURRENCY: Final = Quota("lambda", "L-B99A9384")
CODE_STORAGE: Final = Quota("lambda", "L-2ACBD22F")
MESSAGES: Final = Quota("apigateway", "L-8A5B8E43")
CONNECTIONS: Final = Quota("apigateway", "L-9ED1E49A")
DISTRIBUTIONS: Final = Quota("cloudfront", "L-24B04930", is_global=True)
ROLES: Final = Quota("iam", "L-FE177D64", is_global=True)


@dataclass(frozen=True, slots=True)
class Use:
    """How much of something an account may have, and has."""

    most: int
    now: int


class Account:
    """An account in a region, as its own credentials see it.

    Every method raises botocore's ClientError if AWS refuses the request, and another of
    botocore's errors if AWS is not reached.
    """

    def __init__(self) -> None:
        self._session = boto3.Session()

    @property
    def region(self) -> str:
        """The region, for example ``eu-west-1``."""
        return str(self._client("lambda").meta.region_name)

    @property
    def partition(self) -> str:
        """The region's partition: ``aws``, ``aws-us-gov``, ``aws-cn`` or another."""
        return str(self._client("lambda").meta.partition)

    def id(self) -> str:
        """The account's id, of 12 digits."""
        return str(self._client("sts").get_caller_identity()["Account"])

    def lambda_limits(self) -> tuple[Use, Use]:
        """Concurrent executions (now: those reserved for single functions), and code in bytes."""
        answer = self._client("lambda").get_account_settings()
        limit = answer["AccountLimit"]
        most = limit["ConcurrentExecutions"]
        reserved = most - limit["UnreservedConcurrentExecutions"]
        code = Use(limit["TotalCodeSize"], answer["AccountUsage"]["TotalCodeSize"])
        return Use(most, reserved), code

    def quota(self, quota: Quota) -> int:
        """The value of a quota; its default if the account has none of its own."""
        client = self._client("service-quotas", GLOBAL_REGION if quota.is_global else None)
        which = {"ServiceCode": quota.service, "QuotaCode": quota.code}
        try:
            answer = client.get_service_quota(**which)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchResourceException":
                raise
            answer = client.get_aws_default_service_quota(**which)
        return int(answer["Quota"]["Value"])

    def streams_on_demand(self) -> Use:
        """Kinesis streams that are on demand."""
        answer = self._client("kinesis").describe_limits()
        return Use(answer["OnDemandStreamCountLimit"], answer["OnDemandStreamCount"])

    def shards(self) -> Use:
        """Shards of Kinesis streams that are not on demand."""
        answer = self._client("kinesis").describe_limits()
        return Use(answer["ShardLimit"], answer["OpenShardCount"])

    def distributions(self) -> int:
        """How many CloudFront distributions the account has."""
        pages = (
            self._client("cloudfront", GLOBAL_REGION).get_paginator("list_distributions").paginate()
        )
        return sum(len(page["DistributionList"].get("Items", ())) for page in pages)

    def roles(self) -> Use:
        """The account's IAM roles."""
        summary = self._client("iam").get_account_summary()["SummaryMap"]
        return Use(summary["RolesQuota"], summary["Roles"])

    def has_log_role(self) -> bool:
        """Whether API Gateway has a role in this region with which it writes logs."""
        return bool(self._client("apigateway").get_account().get("cloudwatchRoleArn"))

    def _client(self, service: str, region: str | None = None) -> Any:  # noqa: ANN401 - any service
        return self._session.client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload]
