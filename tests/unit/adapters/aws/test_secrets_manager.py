"""Where tenants' secrets are kept, against a mock of AWS."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from callstream.adapters.aws.secrets_manager import StoredAgentKeys, TwilioAuthTokens
from callstream.errors import Unavailable

PREFIX = "callstream/twilio/"
TOKEN = "0123456789abcdef0123456789abcdef"  # as Twilio's look


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Reads(list[str]):
    """The names that are asked for, once they are noted."""


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(secrets: Any, clock: Clock) -> TwilioAuthTokens:
    assert secrets
    return TwilioAuthTokens(PREFIX, clock)


@pytest.fixture
def reads() -> Iterator[Reads]:
    call, noted = BaseClient._make_api_call, Reads()  # type: ignore[attr-defined]

    def note(client: BaseClient, name: str, arguments: Any) -> Any:
        if name == "GetSecretValue":
            noted.append(arguments["SecretId"])
        return call(client, name, arguments)

    with patch.object(BaseClient, "_make_api_call", note):
        yield noted


def test_it_is_kept_for_a_minute(tokens: TwilioAuthTokens, clock: Clock, reads: Reads) -> None:
    tokens.store("acme", TOKEN)
    assert [tokens.read("acme") for _ in range(3)] == [TOKEN] * 3

    tokens.store("acme", "another")
    clock.now += 60
    assert tokens.read("acme") == TOKEN
    clock.now += 0.5
    assert tokens.read("acme") == "another"
    assert reads == [f"{PREFIX}acme"] * 2


def test_one_that_is_missing_is_looked_for_again(tokens: TwilioAuthTokens) -> None:
    assert tokens.read("acme") is None
    assert not tokens.is_stored("acme")
    tokens.store("acme", TOKEN)
    assert tokens.read("acme") == TOKEN
    assert tokens.is_stored("acme")


def test_one_that_waits_to_be_deleted_is_missing(tokens: TwilioAuthTokens, secrets: Any) -> None:
    tokens.store("acme", TOKEN)
    secrets.delete_secret(SecretId=f"{PREFIX}acme", RecoveryWindowInDays=7)

    assert tokens.read("acme") is None
    assert not tokens.is_stored("acme")


def test_deleting(tokens: TwilioAuthTokens, clock: Clock) -> None:
    tokens.delete("acme")
    tokens.store("acme", TOKEN)
    assert tokens.read("acme") == TOKEN
    tokens.delete("acme")
    clock.now += 61
    assert tokens.read("acme") is None
    tokens.store("acme", TOKEN)
    assert tokens.read("acme") == TOKEN


def test_tenants_have_their_own(tokens: TwilioAuthTokens) -> None:
    ids = ["a:b", "a_b", "a-b", "a.b", "a@b", "a+b", "A:b", "ab", "x" * 128, "::", "acme-123456"]
    for tenant_id in ids:
        tokens.store(tenant_id, f"token of {tenant_id}")

    assert [tokens.read(tenant_id) for tenant_id in ids] == [f"token of {each}" for each in ids]


def test_every_tenants_id_makes_a_good_name(tokens: TwilioAuthTokens, secrets: Any) -> None:
    tokens.store("Az09_.:@+-", TOKEN)

    [secret] = secrets.list_secrets()["SecretList"]
    # Names may hold ASCII letters, digits and /_+=.@- only.
    assert secret["Name"] == f"{PREFIX}Az09_.=@+-"


def test_the_number_of_kept_ones_is_bounded(tokens: TwilioAuthTokens, reads: Reads) -> None:
    for number in range(257):
        tokens.store(f"tenant-{number}", TOKEN)
        tokens.read(f"tenant-{number}")
    assert len(tokens._kept) == 256

    reads.clear()
    tokens.read("tenant-256")
    tokens.read("tenant-0")
    assert reads == [f"{PREFIX}tenant-0"]


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://down"),
        ClientError(
            {
                "Error": {"Code": "InternalServiceError", "Message": ""},
                "ResponseMetadata": {"HTTPStatusCode": 500},  # type: ignore[typeddict-item]
            },
            "GetSecretValue",
        ),
    ],
)
def test_an_outage_is_not_a_missing_one(tokens: TwilioAuthTokens, error: Exception) -> None:
    with (
        patch.object(BaseClient, "_make_api_call", side_effect=error),
        pytest.raises(Unavailable),
    ):
        tokens.read("acme")


def test_nor_is_one_that_may_not_be_read(tokens: TwilioAuthTokens) -> None:
    denied = ClientError(
        {
            "Error": {"Code": "AccessDeniedException", "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": 400},  # type: ignore[typeddict-item]
        },
        "GetSecretValue",
    )
    with (
        patch.object(BaseClient, "_make_api_call", side_effect=denied),
        pytest.raises(ClientError),
    ):
        tokens.read("acme")


def test_they_do_not_show_themselves(tokens: TwilioAuthTokens) -> None:
    tokens.store("acme", TOKEN)
    tokens.read("acme")

    assert TOKEN not in repr(tokens)


KEYS_PREFIX = "callstream/dialogflow/"


@pytest.fixture
def agent_keys(secrets: Any) -> StoredAgentKeys:
    assert secrets
    return StoredAgentKeys(KEYS_PREFIX)


def test_agent_keys_are_kept_by_tenant_connection_and_version(agent_keys: StoredAgentKeys) -> None:
    ids = [("a", "b", "1"), ("a", "b", "2"), ("a", "c", "1"), ("b", "b", "1"), ("a:b", "b:c", "1")]
    for each in ids:
        agent_keys.store(*each, f"key {each}")

    assert [agent_keys.read(*each) for each in ids] == [f"key {each}" for each in ids]
    agent_keys.delete("a", "b", "1")
    agent_keys.delete("a", "b", "1")
    assert [agent_keys.read(*each) is None for each in ids] == [True, *[False] * 4]
    assert "key" not in repr(agent_keys)


def test_agent_keys_have_good_names_for_all_ids(agent_keys: StoredAgentKeys, secrets: Any) -> None:
    agent_keys.store("Az09_.:@+-", "a:1", "0" * 32, "key")

    [secret] = secrets.list_secrets()["SecretList"]
    assert secret["Name"] == f"{KEYS_PREFIX}Az09_.=@+-/a=1/{'0' * 32}"


def test_all_agent_keys_of_a_tenant_are_deleted_and_no_others(
    agent_keys: StoredAgentKeys, secrets: Any
) -> None:
    kept = [("acm", "c", "1"), ("acme2", "c", "1"), ("ACME", "c", "1"), ("a:acme", "c", "1")]
    for each in [*kept, *(("acme", f"c{number}", "1") for number in range(25))]:
        agent_keys.store(*each, "key")
    TwilioAuthTokens(PREFIX).store("acme", TOKEN)

    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def find_all(client: BaseClient, name: str, arguments: Any) -> Any:
        return call(client, name, {} if name == "ListSecrets" else arguments)

    with patch.object(BaseClient, "_make_api_call", find_all):
        agent_keys.delete_all("acme")

    names = {each["Name"] for each in secrets.list_secrets()["SecretList"]}
    assert names == {f"{KEYS_PREFIX}{t}/c/1".replace(":", "=") for t, _, _ in kept} | {
        f"{PREFIX}acme"
    }
    agent_keys.delete_all("acme")
