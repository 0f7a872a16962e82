"""Times as the tables have them."""

from datetime import UTC, datetime


def milliseconds(time: datetime) -> int:
    """Milliseconds since 1970."""
    return int(time.timestamp() * 1000)


def from_milliseconds(count: int) -> datetime:
    """The time, in UTC, that is so many milliseconds after 1970 began."""
    return datetime.fromtimestamp(count / 1000, UTC)
