"""One error on purpose, at a handshake: an alarm must fire, and other handshakes must go on.

The error is made with a token whose attribute names a dialect of clients that does not exist: the
function of `$connect` then raises. Only who can read the signing keys can make such a token.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final

from callstream.access.tokens import KeyRing
from callstream.dialects.clients import ATTRIBUTE
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, judged, unmeasured
from callstream_cli.verify.tokens import OPENED, handshake, token_of

FAILED: Final = "a handshake that fails"
OTHERS: Final = "a handshake right after one that failed"
ALARM: Final = "an alarm for one error"

_WATCHED: Final = "MessagesFailedAlarm"
_SERVER_ERROR: Final = 500
_PATIENCE_SECONDS: Final = 900.0
_LOOK_SECONDS: Final = 15.0


async def provoke(deployed: Deployed, url: str, ring: KeyRing, tenant_id: str) -> list[Finding]:
    """Make a handshake fail, try another, and wait for the alarm.

    Args:
        deployed: the deployment.
        url: a media URL of the tenant, for many streams.
        ring: the deployment's signing keys.
        tenant_id: whose token it is.

    Raises:
        ClientError: CloudWatch refuses.
        BotoCoreError: CloudWatch does not answer.
    """
    bad = ring.sign(
        tenant_id=tenant_id,
        route="genagent",
        use="many",
        now=datetime.now(UTC),
        attributes={ATTRIBUTE: "no dialect"},
    )
    status = await handshake(url.replace(token_of(url), bad))
    # The emulator answers 403 when the function raises.
    failed = status >= _SERVER_ERROR or (deployed.is_local and status != OPENED)
    wrong = [] if failed else [f"answered with HTTP {status}"]
    findings = [judged(FAILED, wrong, f"answered with HTTP {status}", status=status)]
    after = await handshake(url)
    wrong = [f"answered with HTTP {after}"] * (after != OPENED)
    findings.append(judged(OTHERS, wrong, "opened at once", status=after))
    findings.append(await _alarm(deployed))
    return findings


async def _alarm(deployed: Deployed) -> Finding:
    if deployed.is_local:
        return unmeasured(
            ALARM, "the emulator has no alarms", "run the command with --stack and --provoke"
        )
    cloudwatch: Any = deployed.client("cloudwatch")
    name = deployed.physical(_WATCHED)
    began = time.monotonic()
    while time.monotonic() < began + _PATIENCE_SECONDS:
        described = await asyncio.to_thread(cloudwatch.describe_alarms, AlarmNames=[name])
        if [alarm["StateValue"] for alarm in described["MetricAlarms"]] == ["ALARM"]:
            waited = time.monotonic() - began
            return judged(ALARM, [], f"{_WATCHED} has fired after {waited:.0f} s", seconds=waited)
        await asyncio.sleep(_LOOK_SECONDS)
    return judged(ALARM, [f"{_WATCHED} has not fired in {_PATIENCE_SECONDS / 60:.0f} minutes"], "")
