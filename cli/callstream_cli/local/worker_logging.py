"""Logging inside a function's worker, as Lambda's runtime does with `LogFormat: JSON`.

The emulator puts this text in front of ministack's worker script, so the module imports only the
standard library and nothing of this package.
"""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class LambdaJson(logging.Formatter):
    """A line of JSON for each record, with the fields of Lambda's runtime for Python."""

    request_id = ""
    """The id of the invocation that runs in this worker."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, with what was given as `extra`."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, Any] = {
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": LambdaJson.request_id,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            fields["errorType"] = kind.__name__
            fields["errorMessage"] = str(error)
            fields["stackTrace"] = traceback.format_tb(trace)
        extra = {
            name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD
        }
        return json.dumps(fields | extra, default=str)


def log_as_lambda_does() -> None:
    """Log from INFO on, as the template's ApplicationLogLevel says."""
    # The emulator's own, which Powertools would take for the function's.
    os.environ.pop("LOG_LEVEL", None)
    os.environ["AWS_LAMBDA_LOG_LEVEL"] = "INFO"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LambdaJson())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # On AWS there is no endpoint to find.
    logging.getLogger("botocore").setLevel(logging.WARNING)
