"""The configuration of all AWS clients, and the reading of their errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from callstream.adapters.aws._refusals import THROTTLING, refusal
from callstream.errors import Unavailable

# All tries take at most about 10 s, so that a function can still use its fallback within 29 s.
CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
)

# Error codes that mean "not now", as every status of 500 and above does.
_BUSY: Final = THROTTLING | {
    "InternalServerError",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_SERVER_ERROR: Final = 500


@contextmanager
def unavailable(service: str) -> Iterator[None]:
    """Raise `Unavailable` for outages and network errors that retries did not solve.

    Raise `Throttled`, which is one, for throttling.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in _BUSY or status >= _SERVER_ERROR:
            raise refusal(service, code) from error
        raise
    except BotoCoreError as error:
        raise Unavailable(service, type(error).__name__) from error
