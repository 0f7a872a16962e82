"""Times as the tables have them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from callstream.times import from_milliseconds, milliseconds


def test_milliseconds_count_from_1970_in_utc() -> None:
    assert milliseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert milliseconds(datetime(1970, 1, 1, 1, 0, 1, tzinfo=timezone(timedelta(hours=1)))) == 1000


@pytest.mark.parametrize("count", [0, 1, 999, 1_795_262_400_123])
def test_from_milliseconds_is_the_reverse(count: int) -> None:
    assert milliseconds(from_milliseconds(count)) == count
    assert from_milliseconds(count).tzinfo is UTC
