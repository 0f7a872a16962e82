"""Whether the alarms are there, are quiet, and would reach somebody."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, judged, unmeasured

CHECK: Final = "alarms"
_ALARM: Final = "AWS::CloudWatch::Alarm"
_PENDING: Final = "PendingConfirmation"
_A_PAGE: Final = 100


def alarms_finding(deployed: Deployed) -> Finding:
    """Whether each alarm of the stack exists, is not in alarm, and has a topic that is read.

    Raises:
        ClientError: CloudWatch or SNS refuses.
        BotoCoreError: CloudWatch or SNS does not answer.
    """
    if deployed.is_local:
        return unmeasured(
            CHECK,
            "the emulator has no alarms",
            "run the command with --stack",
        )
    names = deployed.of_kind(_ALARM)
    cloudwatch: Any = deployed.client("cloudwatch")
    physical = [*names.values()]
    described = [
        alarm
        for start in range(0, len(physical), _A_PAGE)
        for alarm in cloudwatch.describe_alarms(AlarmNames=physical[start : start + _A_PAGE])[
            "MetricAlarms"
        ]
    ]
    topics = {topic for alarm in described for topic in alarm["AlarmActions"]}
    subscribed = {topic: _is_subscribed(deployed, topic) for topic in topics}
    return judge(names, described, subscribed)


def judge(
    names: Mapping[str, str],
    described: Sequence[Mapping[str, Any]],
    subscribed: Mapping[str, bool],
) -> Finding:
    """Judge the alarms.

    Args:
        names: CloudWatch's names of the stack's alarms, by the names in the template.
        described: CloudWatch's descriptions of those that exist.
        subscribed: of each action's topic, whether anybody has confirmed a subscription.
    """
    by_name = {alarm["AlarmName"]: alarm for alarm in described}
    found = [] if names else ["the stack has no alarms"]
    states: dict[str, str] = {}
    for logical, name in names.items():
        alarm = by_name.get(name)
        if alarm is None:
            found.append(f"{logical} does not exist any more")
            continue
        states[logical] = str(alarm["StateValue"])
        if alarm["StateValue"] == "ALARM":
            found.append(f"{logical} is in alarm: {alarm.get('StateReason', '')}")
        if not alarm.get("ActionsEnabled", True):
            found.append(f"the actions of {logical} are switched off")
    deaf = [name for name, alarm in _existing(names, by_name) if not alarm["AlarmActions"]]
    if deaf:
        found.append(f"{len(deaf)} alarms have no topic: set the parameter AlarmTopicArn")
    found += [
        f"nobody has subscribed to {topic}" for topic, is_read in subscribed.items() if not is_read
    ]
    return judged(
        CHECK, found, f"{len(states)} alarms, quiet, with a topic that is read", states=states
    )


def _existing(
    names: Mapping[str, str], by_name: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    return [(logical, by_name[name]) for logical, name in names.items() if name in by_name]


def _is_subscribed(deployed: Deployed, topic: str) -> bool:
    sns: Any = deployed.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return any(
        each["SubscriptionArn"] not in {_PENDING, "Deleted"}
        for page in pages
        for each in page["Subscriptions"]
    )
