"""What a run costs, by list price. Pure."""

import math
from typing import Final

# README, "What it costs": a track-hour of 180,000 frames, all included.
_TRACK_HOUR: Final = 0.25
_FRAMES_AN_HOUR: Final = 180_000
# docs/deploy.md: a fork, at most; a minute.
_FORK_MINUTE: Final = 0.0016
# CloudWatch, GetMetricData: for each metric that is asked for.
_METRIC: Final = 0.01 / 1000
# An estimate of what is asked: some looks at some 120 metrics.
_METRICS: Final = 1500

_FIRST_CALL_SECONDS: Final = 2
# A call with its fork, both with two tracks: until the fork has come, and some seconds more.
_USUAL_CALL_SECONDS: Final = 15


def dollars(*, tracks: int, stay_minutes: float) -> float:
    """The price of a run in US dollars, rounded up to cents; carriers take nothing.

    Args:
        tracks: how many tracks are streamed at the same time, beside the usual calls.
        stay_minutes: how long a further connection stays open.
    """
    carriers = 3
    seconds = _FIRST_CALL_SECONDS + 2 * 2 * carriers * _USUAL_CALL_SECONDS
    seconds += tracks * _USUAL_CALL_SECONDS
    frames = seconds * _FRAMES_AN_HOUR / 3600 + stay_minutes * 6
    price = frames * _TRACK_HOUR / _FRAMES_AN_HOUR
    price += carriers * _FORK_MINUTE * _USUAL_CALL_SECONDS / 60
    price += _METRIC * _METRICS
    return math.ceil(price * 100) / 100
