"""The same second of audio for every benchmark, as each carrier sends it.

Imports only the library, so that it also runs in pipecat's environment.
"""

import json
from pathlib import Path
from random import Random
from typing import Any, Final

from callstream.dialects import DIALECTS
from callstream.dialects.events import Media

ROOT: Final = Path(__file__).resolve().parent.parent
FRAME_BYTES: Final = 160
CARRIER_STREAM: Final = "MZ0123456789abcdef0123456789abcdef"
_FRAMES: Final = 50


def frames() -> list[bytes]:
    """20 ms of 8 kHz mu-law each, no two the same."""
    random = Random(1)  # noqa: S311  # repeatable, not secret
    return [random.randbytes(FRAME_BYTES) for _ in range(_FRAMES)]


def messages(dialect: str) -> list[str]:
    """The frames as a carrier sends them in the middle of a call."""
    return [
        DIALECTS[dialect].render(
            Media(3002 + index, "inbound", 3001 + index, (3000 + index) * 20, audio), CARRIER_STREAM
        )
        for index, audio in enumerate(frames())
    ]


def events(dialect: str) -> list[dict[str, Any]]:
    """The messages as API Gateway's events: a replayed event with other bodies."""
    event = json.loads((ROOT / "events" / "media_frame" / "ok.json").read_text())
    return [event | {"body": body} for body in messages(dialect)]
