"""Credentials, region and endpoints, from the variables that Lambda and AWS's tools set.

A function gets its credentials in variables, which change only with a new environment. Profiles,
files and roles are not read: whatever runs elsewhere uses botocore.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

# Of partitions other than `aws`, by the beginnings of their regions' names. Isolated partitions,
# as any other endpoint, are set by `AWS_ENDPOINT_URL`.
_DOMAINS: Final = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}

_IN_VARIABLES: Final = {"events": "EVENTBRIDGE"}


class Credentials(NamedTuple):
    """What requests are signed with. Temporary credentials, as a function's, have a token."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.access_key!r})"


class Unset(Exception):
    """A variable is missing; `code` is what botocore calls this."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def credentials(environment: Mapping[str, str]) -> Credentials:
    """The credentials. Raises `Unset`."""
    access_key = environment.get("AWS_ACCESS_KEY_ID")
    secret_key = environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        raise Unset("NoCredentialsError")
    return Credentials(access_key, secret_key, environment.get("AWS_SESSION_TOKEN", ""))


def region(environment: Mapping[str, str]) -> str:
    """The region. Raises `Unset`."""
    # botocore knows the first alone; Lambda sets both.
    found = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION")
    if not found:
        raise Unset("NoRegionError")
    return found


def endpoint(environment: Mapping[str, str], service: str) -> str:
    """The URL of a service: the service's own in this region, if no variable has another.

    Source: docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html.

    Raises:
        Unset: the region is unknown.
    """
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        own = _IN_VARIABLES.get(service, service.upper())
        for name in (f"AWS_ENDPOINT_URL_{own}", "AWS_ENDPOINT_URL"):
            if environment.get(name):
                return environment[name]
    where = region(environment)
    domain = next((_DOMAINS[each] for each in _DOMAINS if where.startswith(each)), "amazonaws.com")
    return f"https://{service}.{where}.{domain}"
