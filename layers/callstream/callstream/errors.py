"""What can go wrong, as one tree.

CallstreamError
├── UnreadableMessage           a carrier's message is not what its dialect documents
├── TokenRejected               a stream token does not open a connection
├── IllegalTransition           an event does not fit the present state of a stream
├── ConditionFailed             a conditional write found something else than it expected
├── Unavailable                 a service that we depend on failed after its bounded retries
└── ApiError                    an HTTP request that is answered with an error; one class a meaning
    ├── BadRequest              the body cannot be read
    ├── Unauthenticated         credentials are missing or wrong
    ├── Forbidden               good credentials without this permission
    ├── NotFound                no such thing, or not this tenant's
    └── RateLimited             more requests than the tenant's limit

A surface turns an `ApiError` into its vendor's status and body; nothing else does.
"""


class CallstreamError(Exception):
    """Base of all errors that Callstream raises on purpose."""


class UnreadableMessage(CallstreamError):
    """A carrier's message is not what its dialect documents.

    `reason` is one of a small, documented set (docs/records.md) that can be counted;
    `detail` says where, and never quotes audio.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TokenRejected(CallstreamError):
    """A stream token does not open a connection; `reason` is safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IllegalTransition(CallstreamError):
    """An event does not fit the present state."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"{event!r} is not allowed in state {state!r}")
        self.state = state
        self.event = event


class ConditionFailed(CallstreamError):
    """A conditional write found something else than it expected; `operation` is its index."""

    def __init__(self, operation: int = 0) -> None:
        super().__init__(f"the condition of operation {operation} does not hold")
        self.operation = operation


class Unavailable(CallstreamError):
    """A service that we depend on failed after its bounded retries; `service` names it."""

    def __init__(self, service: str, code: str) -> None:
        super().__init__(f"{service} is unavailable: {code}")
        self.service = service
        self.code = code


class ApiError(CallstreamError):
    """An HTTP request that is answered with an error. The message is for our log alone."""


class BadRequest(ApiError):
    """The request cannot be read."""


class Unauthenticated(ApiError):
    """Credentials are missing, unknown or wrong."""


class Forbidden(ApiError):
    """The credentials are good and lack this permission."""


class NotFound(ApiError):
    """There is no such thing, or it is another tenant's."""


class RateLimited(ApiError):
    """The tenant has used up a limit."""
