"""Credentials, regions and endpoints are those that botocore takes from the same variables."""

from collections.abc import Mapping

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from callstream.adapters.aws.environment import Credentials, Unset, credentials, endpoint, region

SERVICES = ("events", "kinesis", "lambda", "sqs")
REGIONS = [
    name
    for partition in ("aws", "aws-cn", "aws-us-gov", "aws-eusc")
    for name in get_session().get_available_regions("kinesis", partition)
]


def botocores(environment: Mapping[str, str], service: str, where: str = "us-east-1") -> str:
    """The endpoint that botocore uses."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {"AWS_DEFAULT_REGION": where, **environment}.items():
            monkeypatch.setenv(name, value)
        client = get_session().create_client(
            service, aws_access_key_id="id", aws_secret_access_key="secret"
        )
    return str(client.meta.endpoint_url)


@pytest.mark.parametrize("service", SERVICES)
def test_endpoint_is_botocores_in_every_region(service: str) -> None:
    # Of each partition one: botocore takes its time for a client.
    found = {name[:2]: name for name in REGIONS}
    assert found.keys() >= {"us", "cn", "eu"}
    for where in found.values():
        assert endpoint({"AWS_REGION": where}, service) == botocores({}, service, where)


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:2"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_KINESIS": "http://b.example"},
        {"AWS_ENDPOINT_URL": "http://a.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ],
)
def test_endpoint_of_the_environment_is_botocores(environment: dict[str, str]) -> None:
    found = endpoint({"AWS_REGION": "us-east-1"} | environment, "sqs")
    assert found == botocores(environment, "sqs")


def test_endpoint_of_events_has_another_name_in_variables() -> None:
    environment = {
        "AWS_ENDPOINT_URL": "http://a.example",
        "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://b",
    }
    assert endpoint(environment, "events") == botocores(environment, "events") == "http://b"


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
    ],
)
def test_region_is_that_of_the_function(environment: dict[str, str], found: str) -> None:
    assert region(environment) == found


def test_region_that_is_missing_has_botocores_name() -> None:
    with pytest.raises(Unset, match="NoRegionError"):
        endpoint({}, "kinesis")


NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, st.text(max_size=2))))
def test_credentials_need_a_key_and_its_secret(environment: dict[str, str]) -> None:
    access_key, secret_key, token = (environment.get(name, "") for name in NAMES)
    if access_key and secret_key:
        assert credentials(environment) == Credentials(access_key, secret_key, token)
    else:
        with pytest.raises(Unset, match="NoCredentialsError"):
            credentials(environment)
