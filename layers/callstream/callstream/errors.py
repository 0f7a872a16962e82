"""The errors of Callstream, as one tree.

CallstreamError
├── UnreadableMessage           a carrier's message is not what its dialect documents
├── Inexpressible               a dialect has no message for an event
├── TokenRejected               a stream token does not open a connection
├── IllegalTransition           an event does not fit the present state
├── UnreadableItem              a table's item is not what this version writes
├── ConditionFailed             the condition of a write does not hold
├── Undeliverable               a message that can never be delivered as it is
├── Unavailable                 a service failed, or is contended, after bounded retries
│   └── Throttled               a service works, and has had more requests than it takes
└── ApiError                    an HTTP request that is answered with an error; one class a meaning
    ├── BadRequest              the body cannot be read
    ├── Unauthenticated         credentials are missing or wrong
    ├── Forbidden               good credentials without this permission
    ├── NotFound                no such thing, or not this tenant's
    ├── Conflict                the request contradicts the present state
    ├── TooLarge                the body is larger than any valid body
    ├── UnsupportedMediaType    the endpoint does not take this type of body
    ├── Invalid                 the body can be read, and has invalid values
    ├── RateLimited             more requests than the tenant's limit
    ├── LimitReached            no room among what may run
    │   └── CallFull            the call has had all the relays that it may have
    └── CallError               a command does not fit its call
        ├── UnknownCall         no such call, or not this tenant's
        └── CallEnded           the call is over

A surface turns an `ApiError` into its vendor's status and body; nothing else does.
"""

from typing import Literal

from msgspec import Struct


class CallstreamError(Exception):
    """The base of all errors that Callstream raises on purpose."""


class UnreadableMessage(CallstreamError):
    """A carrier's message is not what its dialect documents.

    `reason` is one of a small, documented set (docs/records.md) that can be counted;
    `detail` says where, and never quotes audio.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Inexpressible(CallstreamError):
    """A dialect has no message for an event, as Twilio's has none to press a key."""

    def __init__(self, dialect: str, event: object) -> None:
        super().__init__(f"{dialect} has no words for {type(event).__name__}")


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


class UnreadableItem(CallstreamError):
    """A table's item is not what this version writes: `kind` names its class.

    `detail` says which attribute is wrong, and quotes no value that can be private.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"this version cannot read a {kind} that is stored: {detail}")
        self.kind = kind
        self.detail = detail


class ConditionFailed(CallstreamError):
    """The condition of a write does not hold; `operation` is the index in the transaction."""

    def __init__(self, operation: int = 0) -> None:
        super().__init__(f"the condition of operation {operation} does not hold")
        self.operation = operation


class Undeliverable(CallstreamError):
    """A service refuses a message, and would refuse it again: it is too large, or not allowed.

    `service` and `code` name the service and its error.
    """

    def __init__(self, service: str, code: str) -> None:
        super().__init__(f"{service} never takes this message: {code}")
        self.service = service
        self.code = code


class Unavailable(CallstreamError):
    """A service failed after bounded retries; `service` and `code` name it and its error."""

    def __init__(self, service: str, code: str) -> None:
        super().__init__(f"{service} is unavailable: {code}")
        self.service = service
        self.code = code


class Throttled(Unavailable):
    """A service works and refuses this request, as it has had more than it takes at present.

    Unlike an outage, this says little about the next request.
    """


class ApiError(CallstreamError):
    """An HTTP request that is answered with an error. The message is for our log only."""


class BadRequest(ApiError):
    """The body cannot be read: broken JSON, a broken form, not UTF-8."""


class Unauthenticated(ApiError):
    """Credentials are missing, unknown or wrong."""


class Forbidden(ApiError):
    """The credentials are good and lack this permission."""


class NotFound(ApiError):
    """There is no such thing, or it belongs to another tenant."""


class Conflict(ApiError):
    """The request contradicts the present state."""


class TooLarge(ApiError):
    """The body is larger than any valid body."""


class UnsupportedMediaType(ApiError):
    """The endpoint does not take this type of body."""


IssueKind = Literal["missing", "unknown", "type", "enum", "range", "url", "base64", "value"]


class Issue(Struct, frozen=True):
    """One problem of a body. `location` has names and indexes, from the outside in.

    `message` is for the client; it never quotes the value.
    """

    location: tuple[str | int, ...]
    kind: IssueKind
    message: str


class Invalid(ApiError):
    """The body can be read, and has invalid values."""

    def __init__(self, *issues: Issue) -> None:
        # For the log: an unknown name may hold private data, such as a whole body.
        super().__init__(
            ", ".join(
                issue.kind if issue.kind == "unknown" else f"{issue.kind} {issue.location}"
                for issue in issues[:10]
            )
        )
        self.issues = issues


class RateLimited(ApiError):
    """The tenant has used up a limit. The limit is free again after `reset` seconds."""

    def __init__(self, limit: int, reset: int) -> None:
        super().__init__(f"limit of {limit} used up for {reset} s")
        self.limit = limit
        self.reset = reset


class LimitReached(ApiError):
    """As much runs as may run. There is room again when something ends.

    `limit` is a name of `tenants.running_limits.RunningLimits`, and `most` its value.
    """

    def __init__(self, limit: str, most: int) -> None:
        super().__init__(f"{limit}: {most}")
        self.limit = limit
        self.most = most


class CallFull(LimitReached):
    """The call has had as many relays as it may have: it gets no more."""


class CallError(ApiError):
    """A command does not fit its call."""


class UnknownCall(CallError):
    """There is no such call, or it belongs to another tenant."""


class CallEnded(CallError):
    """The call is over."""
