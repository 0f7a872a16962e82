"""Whether API Gateway takes a path after the stage; CloudFront's function is there because not."""

from typing import Final

from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.findings import Finding, judged, unmeasured
from callstream_cli.verify.tokens import OPENED, handshake, token_of

CHECK: Final = "a path after the stage"


async def path_finding(deployed: Deployed, url: str) -> Finding:
    """Try a path with the token of a good media URL.

    Either answer is good: the gateway does not depend on it. The text has the answer.
    """
    if deployed.is_local:
        return unmeasured(
            CHECK, "the emulator ignores a path after the stage", "run the command with --stack"
        )
    token = token_of(url)
    status = await handshake(f"{deployed.media_endpoint('ws')}/verify?token={token}")
    seen = "opened" if status == OPENED else f"refused with HTTP {status}"
    return judged(CHECK, [], f"API Gateway's own URL with a path is {seen}", status=status)
