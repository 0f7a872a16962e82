"""How every AWS client here is made, and how its errors are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from callstream.errors import Unavailable

# In all at most about 10 s, so that a function can still use its fallback within 29 s.
CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
)

# For the sinks of the media routes: with 50 frames a second, every second that one waits is 50
# functions that run at once. A record that cannot be put soon goes to the overflow instead.
SINK_CONFIG: Final = Config(
    connect_timeout=0.5,
    read_timeout=1,
    retries={"mode": "standard", "total_max_attempts": 2},
)

# Errors by which a service says "not now"; a 5xx says so too.
_BUSY: Final = frozenset(
    {
        "InternalServerError",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_SERVER_ERROR: Final = 500


@contextmanager
def unavailable(service: str) -> Iterator[None]:
    """Turn what is left of throttling, outages and network errors into `Unavailable`."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in _BUSY or status >= _SERVER_ERROR:
            raise Unavailable(service, code) from error
        raise
    except BotoCoreError as error:
        raise Unavailable(service, type(error).__name__) from error
