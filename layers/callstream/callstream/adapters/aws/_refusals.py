"""AWS's error codes, as our errors. Without botocore, because the per-frame function imports it."""

from typing import Final

from callstream.errors import Throttled, Unavailable

THROTTLING: Final = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""The codes that mean: the service works, and has had more requests than it takes."""


def refusal(service: str, code: str) -> Unavailable:
    """The error for an answer with this code: `Throttled`, or else `Unavailable`."""
    return (Throttled if code in THROTTLING else Unavailable)(service, code)
