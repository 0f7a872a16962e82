"""The checks: each compares what an account has with what the calls need, and says what to do."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from callstream_cli.preflight.account import (
    CODE_STORAGE,
    CONCURRENCY,
    CONNECTIONS,
    DISTRIBUTIONS,
    GLOBAL_REGION,
    MESSAGES,
    ROLES,
    Account,
    Quota,
)
from callstream_cli.preflight.load import SHARDS_ON_DEMAND, Load
from callstream_cli.refusals import in_words

type _Ask = tuple[str, str | None]
"""What to do, and the command that does it; see `Finding`."""

# What a deployment makes, rounded up.
_ROLES: Final = 40
_CODE_BYTES: Final = 500_000_000
_MEGABYTE: Final = 1_000_000


class Status(StrEnum):
    """How a check ends."""

    OK = "ok"
    TOO_LITTLE = "too little"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check finds.

    Attributes:
        check: what is checked.
        status: how it ends.
        found: what the account has, in words.
        needed: what the calls need, in words.
        advice: what to do, in words; None if there is nothing to do.
        command: a command of the AWS CLI, or of make, that does it; None if there is none.
    """

    check: str
    status: Status
    found: str
    needed: str
    advice: str | None = None
    command: str | None = None


def findings(
    account: Account, load: Load, *, cloudfront: bool, frame_shards: int
) -> Iterator[Finding]:
    """Check an account for a load, one check after the other.

    Args:
        account: the account and region.
        load: the calls to be carried.
        cloudfront: whether the stack gets a CloudFront distribution, which Twilio's calls need.
        frame_shards: shards of the frames stream; 0 if the stream is on demand.
    """
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "Lambda": partial(_lambda, account, load),
        "API Gateway, messages a second": partial(_messages, account, load),
        "API Gateway, connections a second": partial(_connections, account, load),
        "API Gateway, log role": partial(_log_role, account),
        "Kinesis": partial(_shards, account, load, frame_shards)
        if frame_shards
        else partial(_on_demand, account, load),
        "IAM roles": partial(_roles, account),
    }
    if cloudfront:
        checks["CloudFront, distributions"] = partial(_cloudfront, account)
    for name, check in checks.items():
        try:
            yield from check()
        except (ClientError, BotoCoreError) as error:
            yield Finding(name, Status.UNKNOWN, in_words(error) or "", "")


def _lambda(account: Account, load: Load) -> Iterator[Finding]:
    executions, code = account.lambda_limits()
    need = load.executions
    # AWS grants round numbers; 1,000 is what accounts have after their first weeks.
    goal = max(1000, _rounded_up(need + executions.now, 500))
    reserved = f", of which {executions.now:,} are reserved" if executions.now else ""
    yield _compared(
        "Lambda, concurrent executions",
        f"{executions.most:,}{reserved}",
        f"{need:,}",
        is_enough=executions.most - executions.now >= need,
        ask=lambda: _increase(account, CONCURRENCY, goal),
    )
    free = code.most - code.now
    yield _compared(
        "Lambda, storage of code",
        f"{free // _MEGABYTE:,} MB free",
        f"{_CODE_BYTES // _MEGABYTE} MB",
        is_enough=free >= _CODE_BYTES,
        ask=lambda: _increase(account, CODE_STORAGE, code.most // 2**30 + 25),
    )


def _messages(account: Account, load: Load) -> Iterator[Finding]:
    there, need = account.quota(MESSAGES), load.messages
    yield _compared(
        "API Gateway, messages a second",
        f"{there:,}",
        f"{need:,}",
        is_enough=there >= need,
        ask=lambda: _increase(account, MESSAGES, _rounded_up(need, 5000)),
    )


def _connections(account: Account, load: Load) -> Iterator[Finding]:
    # As if all calls began in the same second, each with two legs.
    there, need = account.quota(CONNECTIONS), load.all_tracks
    yield _compared(
        "API Gateway, connections a second",
        f"{there:,}",
        f"{need:,}",
        is_enough=there >= need,
        ask=lambda: _increase(account, CONNECTIONS, need),
    )


def _log_role(account: Account) -> Iterator[Finding]:
    there = "set" if account.has_log_role() else "not set"
    yield Finding("API Gateway, log role", Status.OK, there, "for AccessLogs")


def _on_demand(account: Account, load: Load) -> Iterator[Finding]:
    streams = account.streams_on_demand()
    instead = f'make deploy PARAMETERS="FrameShards={load.shards}"'
    yield _compared(
        "Kinesis, streams on demand",
        f"{streams.now} of {streams.most}",
        "1 more",
        is_enough=streams.most > streams.now,
        ask=lambda: ("give the stream a number of shards instead", instead),
    )
    most = load.tracks_on(SHARDS_ON_DEMAND)
    yield _compared(
        "Kinesis, tracks at first",
        f"{most}",
        f"{load.all_tracks:,}",
        is_enough=load.all_tracks <= most,
        ask=lambda: ("later the stream grows; give it a number of shards from the start", instead),
    )


def _shards(account: Account, load: Load, frame_shards: int) -> Iterator[Finding]:
    shards = account.shards()
    free = shards.most - shards.now
    yield _compared(
        "Kinesis, shards",
        f"{free:,} free",
        f"{frame_shards:,}",
        is_enough=free >= frame_shards,
        ask=lambda: (
            "ask for more shards in the region, in the console of Service Quotas, where they are",
            "aws service-quotas list-service-quotas --service-code kinesis",
        ),
    )
    yield _compared(
        "Kinesis, tracks",
        f"{load.tracks_on(frame_shards):,}",
        f"{load.all_tracks:,}",
        is_enough=load.tracks_on(frame_shards) >= load.all_tracks,
        ask=lambda: ("take more shards", f'make deploy PARAMETERS="FrameShards={load.shards}"'),
    )


def _roles(account: Account) -> Iterator[Finding]:
    roles = account.roles()
    yield _compared(
        "IAM roles",
        f"{roles.now:,} of {roles.most:,}",
        f"{_ROLES} more",
        is_enough=roles.most - roles.now >= _ROLES,
        ask=lambda: _increase(account, ROLES, _rounded_up(roles.now + _ROLES, 500)),
    )


def _cloudfront(account: Account) -> Iterator[Finding]:
    check, needed = "CloudFront, distributions", "1 more"
    without = 'make deploy PARAMETERS="CloudFront=false"'
    if account.partition != "aws":
        advice = "deploy without CloudFront: Telnyx and SignalWire work, Twilio does not"
        there = f"none for {account.region}"
        yield Finding(check, Status.TOO_LITTLE, there, needed, advice, without)
        return
    now = account.distributions()
    if not now:
        # AWS says that an account is not verified only when a distribution is created.
        advice = (
            "if the deployment fails because the account 'must be verified', "
            "open a case at AWS (Account and billing), and begin without CloudFront and Twilio"
        )
        yield Finding(check, Status.UNKNOWN, "none used yet", needed, advice, without)
        return
    most = account.quota(DISTRIBUTIONS)
    yield _compared(
        check,
        f"{now} of {most}",
        needed,
        is_enough=now < most,
        ask=lambda: _increase(account, DISTRIBUTIONS, most + 10),
    )


def _compared(
    check: str, there: str, needed: str, *, is_enough: bool, ask: Callable[[], _Ask]
) -> Finding:
    if is_enough:
        return Finding(check, Status.OK, there, needed)
    return Finding(check, Status.TOO_LITTLE, there, needed, *ask())


def _increase(account: Account, quota: Quota, goal: int) -> _Ask:
    region = GLOBAL_REGION if quota.is_global else account.region
    command = (
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} "
        f"--quota-code {quota.code} --desired-value {goal} --region {region}"
    )
    return f"ask for {goal:,}; AWS may need a day or more", command


def _rounded_up(number: int, to: int) -> int:
    return math.ceil(number / to) * to
