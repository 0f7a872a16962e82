"""``callstream preflight`` on accounts of every kind; AWS answers inside botocore."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from callstream_cli.preflight.load import Load
from tests.template import ROOT
from tests.unit.cli.commands import ask, ok, refusal, run, words

type Answers = dict[str, Any]

ACCOUNT: Final = "111122223333"
DENIED: Final = {"Code": "AccessDeniedException", "Message": "User is not authorized"}
DEFAULTS: Final = {
    "L-B99A9384": 1000,
    "L-8A5B8E43": 10_000,
    "L-9ED1E49A": 500,
    "L-24B04930": 200,
    "L-FE177D64": 1000,
}


def established() -> Answers:
    """What AWS answers about an account that is in use."""
    return {
        "GetCallerIdentity": {"Account": ACCOUNT},
        "GetAccountSettings": {
            "AccountLimit": {
                "TotalCodeSize": 75 * 2**30,
                "ConcurrentExecutions": 1000,
                "UnreservedConcurrentExecutions": 1000,
            },
            "AccountUsage": {"TotalCodeSize": 2**30},
        },
        "GetServiceQuota": lambda request: quota(DEFAULTS[request["QuotaCode"]]),
        "DescribeLimits": {
            "ShardLimit": 500,
            "OpenShardCount": 4,
            "OnDemandStreamCount": 1,
            "OnDemandStreamCountLimit": 50,
        },
        "ListDistributions": {"DistributionList": {"Items": [{}, {}], "IsTruncated": False}},
        "GetAccountSummary": {"SummaryMap": {"Roles": 100, "RolesQuota": 1000}},
        "GetAccount": {"cloudwatchRoleArn": "arn:aws:iam::111122223333:role/logs"},
    }


def quota(value: int) -> Any:
    return {"Quota": {"Value": float(value)}}


class Aws:
    """AWS, which answers as told; whom it is asked for what is kept."""

    def __init__(self) -> None:
        self.answers = established()
        self.asked: list[tuple[str, str]] = []

    def answer(self, model: Any, params: Any, context: Any, **_: object) -> Any:
        """Answer a request as botocore's event `before-call` allows."""
        operation: str = model.name
        self.asked.append((operation, context["client_region"]))
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(json.loads(params["body"]))
        status = 400 if "Error" in answer else 200
        return SimpleNamespace(status_code=status), answer


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """AWS, and credentials for it."""
    fake = Aws()
    made: Callable[..., boto3.Session] = boto3.Session

    def session() -> boto3.Session:
        session = made()
        session.events.register("before-call", fake.answer)
        return session

    monkeypatch.setattr(boto3, "Session", session)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    return fake


def checks(*arguments: str, status: int = 0) -> dict[str, Any]:
    """The checks of a command by name, from its JSON."""
    result = run("preflight", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (status, "")
    document = json.loads(result.stdout)
    assert document["enough"] is (status == 0)
    return {each["check"]: each for each in document["checks"]}


@pytest.mark.usefixtures("aws")
def test_established_account_carries_ten_calls() -> None:
    document = ask("preflight")

    assert {key: document[key] for key in ("account", "region", "calls", "tracks", "forks")} == {
        "account": ACCOUNT,
        "region": "eu-west-1",
        "calls": 10,
        "tracks": 2,
        "forks": 1,
    }
    assert [each["check"] for each in document["checks"]] == [
        "Lambda, concurrent executions",
        "Lambda, storage of code",
        "API Gateway, messages a second",
        "API Gateway, connections a second",
        "API Gateway, log role",
        "Kinesis, streams on demand",
        "Kinesis, tracks at first",
        "IAM roles",
        "CloudFront, distributions",
    ]
    assert {each["status"] for each in document["checks"]} == {"ok"}
    assert not any(each["advice"] for each in document["checks"])


@pytest.mark.usefixtures("aws")
def test_text_has_a_line_for_each_check_and_a_verdict() -> None:
    text = words(ok("preflight", "--calls", "1", "--tracks", "1"))

    assert text[0] == (
        f"Account {ACCOUNT} in eu-west-1; calls at the same time: 1, tracks of each: 1, forks: 1"
    )
    assert "Lambda, concurrent executions ok 1,000 40" in text
    assert text[-1] == "Nothing is too little."


def test_new_account_learns_what_to_ask_for_and_how(aws: Aws) -> None:
    limit = aws.answers["GetAccountSettings"]["AccountLimit"]
    limit.update(ConcurrentExecutions=10, UnreservedConcurrentExecutions=10)
    aws.answers["ListDistributions"] = {"DistributionList": {"Items": [], "IsTruncated": False}}

    found = checks(status=1)

    concurrency = found["Lambda, concurrent executions"]
    assert (concurrency["status"], concurrency["found"]) == ("too little", "10")
    assert concurrency["command"] == (
        "aws service-quotas request-service-quota-increase --service-code lambda "
        "--quota-code L-B99A9384 --desired-value 1000 --region eu-west-1"
    )
    cloudfront = found["CloudFront, distributions"]
    assert cloudfront["status"] == "unknown"
    assert cloudfront["command"] == 'make deploy PARAMETERS="CloudFront=false"'
    result = run("preflight")
    assert result.exit_code == 1
    assert words(result.stdout)[-1] == "Too little: 1. Unknown: 1."
    assert concurrency["command"] in words(result.stdout)


@pytest.mark.usefixtures("aws")
def test_frames_of_a_second_need_a_tenth_as_many_executions() -> None:
    # Lambda allows ten invocations a second for each execution of the quota.
    found = checks("--calls", "60", "--forks", "0", "--frame-shards", "8")
    assert found["Lambda, concurrent executions"]["needed"] == "600"
    found = checks("--calls", "101", "--forks", "0", "--frame-shards", "11", status=1)
    assert found["Lambda, concurrent executions"]["needed"] == "1,010"
    assert "--desired-value 1500 " in found["Lambda, concurrent executions"]["command"]


def test_reserved_executions_do_not_count(aws: Aws) -> None:
    aws.answers["GetAccountSettings"]["AccountLimit"]["UnreservedConcurrentExecutions"] = 90

    concurrency = checks(status=1)["Lambda, concurrent executions"]

    assert concurrency["found"] == "1,000, of which 910 are reserved"
    assert "--desired-value 1500 " in concurrency["command"]


def test_messages_are_frames_posts_to_forks_and_their_answers(aws: Aws) -> None:
    assert checks("--forks", "0")["API Gateway, messages a second"]["needed"] == "1,000"
    assert checks()["API Gateway, messages a second"]["needed"] == "2,000"
    quotas = dict(DEFAULTS)
    aws.answers["GetServiceQuota"] = lambda request: quota(quotas[request["QuotaCode"]])
    quotas["L-8A5B8E43"] = 2000
    assert checks()["API Gateway, messages a second"]["status"] == "ok"
    quotas["L-8A5B8E43"] = 1999
    messages = checks(status=1)["API Gateway, messages a second"]
    assert messages["command"].endswith(
        "--service-code apigateway --quota-code L-8A5B8E43 --desired-value 5000 --region eu-west-1"
    )


@pytest.mark.usefixtures("aws")
def test_stream_on_demand_takes_76_tracks_at_first() -> None:
    assert checks("--calls", "76", "--tracks", "1")["Kinesis, tracks at first"]["status"] == "ok"
    first = checks("--calls", "77", "--tracks", "1", status=1)["Kinesis, tracks at first"]
    assert (first["found"], first["needed"]) == ("76", "77")
    assert first["command"] == 'make deploy PARAMETERS="FrameShards=5"'
    assert "Kinesis, shards" in checks("--calls", "37", "--frame-shards", "5")


@pytest.mark.parametrize(
    ("calls", "shards"), [(38, 2), (39, 3), (51, 3), (52, 4), (76, 4), (84, 5), (152, 8), (154, 10)]
)
def test_power_of_two_takes_19_tracks_a_shard_and_other_numbers_take_17(
    calls: int, shards: int
) -> None:
    assert Load(calls, tracks=1, forks=0).shards == shards


@pytest.mark.parametrize(
    ("calls", "shards"), [(17, 2), (18, 3), (22, 3), (23, 4), (34, 4), (35, 5)]
)
def test_shard_takes_two_tracks_less_if_calls_have_two(calls: int, shards: int) -> None:
    assert Load(calls, tracks=2, forks=0).shards == shards


def test_number_of_shards_must_be_free_and_enough(aws: Aws) -> None:
    aws.answers["DescribeLimits"]["OpenShardCount"] = 497

    found = checks("--calls", "37", "--frame-shards", "4", status=1)

    assert found["Kinesis, shards"]["found"] == "3 free"
    assert found["Kinesis, shards"]["command"].endswith("--service-code kinesis")
    assert found["Kinesis, tracks"]["command"] == 'make deploy PARAMETERS="FrameShards=5"'
    assert "Kinesis, streams on demand" not in found


@pytest.mark.parametrize(
    ("check", "operation", "change"),
    [
        (
            "Lambda, storage of code",
            "GetAccountSettings",
            lambda answer: answer["AccountUsage"].update(TotalCodeSize=75 * 2**30 - 499_999_999),
        ),
        (
            "Kinesis, streams on demand",
            "DescribeLimits",
            lambda answer: answer.update(OnDemandStreamCount=50),
        ),
        ("IAM roles", "GetAccountSummary", lambda answer: answer["SummaryMap"].update(Roles=961)),
        (
            "CloudFront, distributions",
            "ListDistributions",
            lambda answer: answer["DistributionList"].update(Items=[{}] * 200),
        ),
    ],
)
def test_what_is_used_up_is_too_little(
    aws: Aws, check: str, operation: str, change: Callable[[Any], None]
) -> None:
    assert checks()[check]["status"] == "ok"
    change(aws.answers[operation])
    [lacking] = [each for each in checks(status=1).values() if each["status"] == "too little"]
    assert (lacking["check"], bool(lacking["advice"]), bool(lacking["command"])) == (
        check,
        True,
        True,
    )


def test_new_connections_a_second_count_each_track(aws: Aws) -> None:
    aws.answers["GetServiceQuota"] = lambda request: quota(
        19 if request["QuotaCode"] == "L-9ED1E49A" else DEFAULTS[request["QuotaCode"]]
    )
    connections = checks(status=1)["API Gateway, connections a second"]
    assert connections["command"].endswith(
        "--quota-code L-9ED1E49A --desired-value 20 --region eu-west-1"
    )


def test_quota_that_was_never_changed_has_its_default(aws: Aws) -> None:
    aws.answers["GetServiceQuota"] = {"Error": {"Code": "NoSuchResourceException", "Message": ""}}
    aws.answers["GetAWSDefaultServiceQuota"] = lambda request: quota(DEFAULTS[request["QuotaCode"]])
    assert {each["status"] for each in checks().values()} == {"ok"}


def test_quotas_of_global_services_are_read_in_their_region(aws: Aws) -> None:
    checks()
    assert [region for name, region in aws.asked if name == "GetServiceQuota"] == [
        "eu-west-1",
        "eu-west-1",
        "us-east-1",
    ]


def test_check_that_may_not_be_made_is_unknown_and_the_others_are_made(aws: Aws) -> None:
    aws.answers["DescribeLimits"] = {"Error": DENIED}
    aws.answers["GetAccountSummary"] = EndpointConnectionError(endpoint_url="iam")

    found = checks()

    assert (found["Kinesis"]["status"], found["Kinesis"]["found"]) == (
        "unknown",
        "AWS refused DescribeLimits: AccessDeniedException: User is not authorized",
    )
    assert found["IAM roles"]["status"] == "unknown"
    assert found["CloudFront, distributions"]["status"] == "ok"


@pytest.mark.usefixtures("aws")
def test_region_without_cloudfront_takes_no_twilio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-gov-west-1")
    assert checks(status=1)["CloudFront, distributions"]["status"] == "too little"
    assert "CloudFront, distributions" not in checks("--no-cloudfront")


def test_missing_credentials_and_regions_are_errors(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired = {"Error": {"Code": "ExpiredToken", "Message": "The token has expired"}}
    monkeypatch.setitem(aws.answers, "GetCallerIdentity", expired)
    assert refusal("preflight") == (
        "AWS refused GetCallerIdentity: ExpiredToken: The token has expired"
    )
    monkeypatch.undo()
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert refusal("preflight").startswith("no AWS ")


def test_account_without_a_log_role_is_no_failure(aws: Aws) -> None:
    aws.answers["GetAccount"] = {}
    assert checks()["API Gateway, log role"]["found"] == "not set"


def test_deploy_policy_allows_every_check(aws: Aws) -> None:
    aws.answers["GetServiceQuota"] = {"Error": {"Code": "NoSuchResourceException", "Message": ""}}
    aws.answers["GetAWSDefaultServiceQuota"] = lambda request: quota(DEFAULTS[request["QuotaCode"]])
    checks()
    actions = {
        "DescribeLimits": "kinesis:DescribeLimits",
        "GetAccount": "apigateway:GET",
        "GetAccountSettings": "lambda:GetAccountSettings",
        "GetAccountSummary": "iam:GetAccountSummary",
        "GetAWSDefaultServiceQuota": "servicequotas:GetAWSDefaultServiceQuota",
        "GetServiceQuota": "servicequotas:GetServiceQuota",
        "ListDistributions": "cloudfront:ListDistributions",
    }

    # AWS lets every caller ask who it is.
    assert {name for name, _ in aws.asked} == actions.keys() | {"GetCallerIdentity"}
    statements = json.loads((ROOT / "docs" / "deploy-policy.json").read_text())["Statement"]
    allowed = {action for each in statements for action in each["Action"]}
    assert {*actions.values()} <= allowed
