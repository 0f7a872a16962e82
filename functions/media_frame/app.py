"""The `media` route: one frame of audio to one Kinesis record. Runs 50 times a second per track."""

import os
from typing import Any

from callstream.access.websocket_events import OK, identity_of, received_at
from callstream.adapters.aws.warm_up_event import warmable
from callstream.frames.publisher import read
from callstream.wiring.media import kinesis_sink, publisher

_kinesis = kinesis_sink(os.environ)
_publisher = publisher(os.environ, _kinesis)


@warmable(lambda _about: _kinesis.connect())
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Take one message."""
    _publisher.publish(identity_of(event), received_at(event), read(event.get("body") or ""))
    return OK
