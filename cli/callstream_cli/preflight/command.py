"""``callstream preflight``: before a deployment, whether the account and region can carry calls."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from callstream_cli.deployment import Json, explained
from callstream_cli.operator.output import show_json, show_table
from callstream_cli.plain_output import print_line
from callstream_cli.preflight.checks import Finding, Status, findings
from callstream_cli.preflight.load import Load


def preflight(
    *,
    calls: Annotated[int, typer.Option(min=1, max=100_000, help="Calls at the same time.")] = 10,
    tracks: Annotated[
        int, typer.Option(min=1, max=2, help="Tracks of each call: the caller only, or both.")
    ] = 2,
    forks: Annotated[
        int,
        typer.Option(min=0, max=25, help="Forks, transcriptions and virtual agents of each call."),
    ] = 1,
    cloudfront: Annotated[
        bool, typer.Option(help="With CloudFront, which Twilio's calls need.")
    ] = True,
    frame_shards: Annotated[
        int, typer.Option(min=0, help="Shards of the frames stream; 0 means on demand.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Check before a deployment whether an AWS account and region can carry your calls.

    It reads quotas, and changes nothing. AWS_PROFILE and AWS_DEFAULT_REGION choose the account and
    the region. The status is 1 if something is too little; each such line says what to ask AWS for,
    and how. Some checks may stay unknown, for example because you may not read a quota.
    """
    load = Load(calls, tracks, forks)
    with explained():
        from callstream_cli.preflight.account import Account  # noqa: PLC0415 - slow

        account = Account()
        account_id = account.id()
        found = [*findings(account, load, cloudfront=cloudfront, frame_shards=frame_shards)]
    is_enough = all(finding.status is not Status.TOO_LITTLE for finding in found)
    if as_json:
        show_json(_as_json(account_id, account.region, load, found, is_enough=is_enough))
    else:
        print_line(
            f"Account {account_id} in {account.region}; calls at the same time: {calls}, "
            f"tracks of each: {tracks}, forks: {forks}"
        )
        print_line()
        _show(found)
        print_line()
        print_line(_verdict(found))
    if not is_enough:
        raise typer.Exit(1)


def _show(found: Sequence[Finding]) -> None:
    show_table(
        ["check", "result", "there is", "needed"],
        [(each.check, each.status, each.found, each.needed) for each in found],
        otherwise="",
    )
    for each in found:
        if each.advice is not None:
            print_line()
            print_line(f"{each.check}: {each.advice}")
            if each.command is not None:
                print_line(f"    {each.command}")


def _verdict(found: Sequence[Finding]) -> str:
    lacking = sum(each.status is Status.TOO_LITTLE for each in found)
    unknown = sum(each.status is Status.UNKNOWN for each in found)
    verdict = f"Too little: {lacking}." if lacking else "Nothing is too little."
    return f"{verdict} Unknown: {unknown}." if unknown else verdict


def _as_json(
    account_id: str, region: str, load: Load, found: Sequence[Finding], *, is_enough: bool
) -> dict[str, object]:
    return {
        "account": account_id,
        "region": region,
        "calls": load.calls,
        "tracks": load.tracks,
        "forks": load.forks,
        "enough": is_enough,
        "checks": [asdict(each) for each in found],
    }
