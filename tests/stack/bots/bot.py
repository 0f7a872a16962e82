"""What the bots of test_agent_frameworks.py share. They run in an environment of their own.

A bot prints the port on which it listens, and after each call a report of the call, as JSON. It
plays a tone of `SECONDS`, and stops when the caller presses a key.
"""

import json
import math
import socket
import sys
from array import array
from dataclasses import asdict, dataclass
from typing import Any, Final

import uvicorn  # type: ignore[import-not-found]

RATE: Final = 8000
ENOUGH: Final = RATE * 2 // 2
"""Half a second in bytes of linear samples: a bot that waits for words answers then."""
SECONDS: Final = 20
HERTZ: Final = 1000
_AMPLITUDE: Final = 8000


@dataclass
class Call:
    """A call, as the framework has understood it."""

    kind: str
    call_id: str
    stream_id: str
    parameters: dict[str, Any]
    heard: int = 0
    keys: str = ""


def tone(rate: int = RATE) -> bytes:
    """Linear samples, 16 bits."""
    turn = 2 * math.pi * HERTZ / rate
    samples = (round(_AMPLITUDE * math.sin(turn * at)) for at in range(rate * SECONDS))
    return array("h", samples).tobytes()


def report(call: Call) -> None:
    """Print the report of a call that has ended."""
    _say(json.dumps(asdict(call)))


def serve(app: Any) -> None:  # an ASGI application
    """Serve an application until the process is ended."""
    config = uvicorn.Config(app, log_level="error")
    listener = socket.create_server(("127.0.0.1", 0))
    listening_on(listener.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listener])


def listening_on(port: int) -> None:
    """Print the port."""
    _say(str(port))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
