"""Times as the tables have them."""

from datetime import datetime


def milliseconds(time: datetime) -> int:
    """Milliseconds since 1970."""
    return int(time.timestamp() * 1000)
