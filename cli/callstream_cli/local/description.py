"""``stack.json``: the addresses and credentials of a running local stack.

The shape of the file is a contract: scripts rely on it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from callstream_cli.local.errors import TemplateError

type Credentials = Mapping[str, Mapping[str, object]]

DEMO_TENANT = "demo"
DEMO_INBOX = "inbox-123"

SURFACES = ("asapp", "clerk", "telnyx", "signalwire", "twilio")

_TABLE = "TableName"


class StackDescription(TypedDict):
    """The content of ``stack.json``."""

    rest: dict[str, str]
    """The URL of each surface, to which a path of the vendor's documents is appended."""
    media_url: str
    """The URL of the WebSocket, with ``{token}`` in place of the token."""
    aws_endpoint_url: str
    region: str
    frames_stream: str
    tables: dict[str, str]
    credentials: Credentials
    """A tenant's credentials for each surface: in the file, the demo tenant's."""
    inbox: str


def describe(
    outputs: Mapping[str, str], credentials: Credentials, *, endpoint: str, region: str
) -> StackDescription:
    """Describe the stack that has these ``outputs`` and answers at ``endpoint``.

    Raises:
        TemplateError: an output is missing.
    """
    try:
        return {
            "rest": {
                surface: outputs[output]
                for surface in SURFACES
                if (output := f"{surface.title()}ApiUrl") in outputs
            },
            "media_url": outputs["MediaUrlTemplate"],
            "aws_endpoint_url": endpoint,
            "region": region,
            "frames_stream": outputs["FramesStreamName"],
            "tables": {
                output.removesuffix(_TABLE).lower(): name
                for output, name in outputs.items()
                if output.endswith(_TABLE)
            },
            "credentials": credentials,
            "inbox": DEMO_INBOX,
        }
    except KeyError as missing:
        raise TemplateError(f"template.yaml has no output {missing.args[0]}") from missing


def write(path: Path, description: StackDescription) -> None:
    """Write ``description`` to ``path`` in one step: readers see the whole file or none."""
    unfinished = path.with_suffix(".tmp")
    # The file holds credentials, if only of a demo tenant.
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(description, indent=2) + "\n")
    unfinished.replace(path)


def read(path: Path) -> StackDescription | None:
    """Return the description at ``path``, or None if there is none."""
    try:
        return cast("StackDescription", json.loads(path.read_text()))
    except FileNotFoundError:
        return None
