"""Telnyx's errors: the status and the body that stand for each of ours.

Sources: Telnyx's OpenAPI specification and its list of error codes. The error body is `{"errors":
[{"code", "title", "detail", "source", "meta"}]}`.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from callstream import errors
from callstream.relays.model import NoSuchRelay
from callstream.relays.virtual_agents import NoConnection, NoVirtualAgent
from callstream.surfaces.telnyx_models import Error, Meta, Source


class _Failure(NamedTuple):
    status: int
    code: str
    title: str
    detail: str
    pointer: str | None = None
    url: str | None = None

    @property
    def error(self) -> Error:
        """The failure as the body has it."""
        return Error(
            code=self.code,
            title=self.title,
            detail=self.detail,
            source=None if self.pointer is None else Source(pointer=self.pointer),
            meta=None if self.url is None else Meta(url=self.url),
        )


_FAILURES: Final[Mapping[type[Exception], _Failure]] = {
    errors.BadRequest: _Failure(
        400, "10023", "Invalid JSON", "The supplied JSON could not be read."
    ),
    errors.Unauthenticated: _Failure(
        401,
        "10009",
        "Authentication failed",
        "The required authentication headers were either invalid or not included in the request.",
        url="https://developers.telnyx.com/docs/overview/errors/10009",
    ),
    errors.Forbidden: _Failure(
        403,
        "10010",
        "Authorization failed",
        "You do not have permission to perform the requested action on the specified resource or "
        "resources.",
    ),
    errors.NotFound: _Failure(
        404, "10005", "Resource not found", "The requested resource or URL could not be found."
    ),
    errors.TooLarge: _Failure(413, "10015", "Bad Request", "The request body is too large."),
    errors.UnsupportedMediaType: _Failure(
        415,
        "10014",
        "Unsupported Media Type",
        "The request failed because the server does not support the media type.",
    ),
    errors.UnknownCall: _Failure(
        422,
        "90015",
        "Invalid Call Control ID",
        "The call_control_id provided was not valid.",
        pointer="/call_control_id",
    ),
    errors.CallEnded: _Failure(
        422,
        "90018",
        "Call has already ended",
        "This call is no longer active and can't receive commands.",
    ),
    NoVirtualAgent: _Failure(
        422,
        "10015",
        "Invalid value for enable_dialogflow",
        "This gateway is deployed without Dialogflow.",
        pointer="/enable_dialogflow",
    ),
    NoConnection: _Failure(
        422,
        "10015",
        "Invalid value for enable_dialogflow",
        "No Dialogflow connection is for this call. Store only one, or one that has the id of the "
        "call's inbox or of its account at the carrier.",
        pointer="/enable_dialogflow",
    ),
    NoSuchRelay: _Failure(
        422,
        "10015",
        "Invalid value for stream_id",
        "The call has no such stream.",
        pointer="/stream_id",
    ),
    errors.RateLimited: _Failure(
        429,
        "10011",
        "Too many requests",
        "You have exceeded the maximum number of allowed requests.",
    ),
    errors.LimitReached: _Failure(
        429,
        "10011",
        "Too many requests",
        "You have exceeded the maximum number of active streams.",
    ),
    errors.CallFull: _Failure(
        422,
        "10015",
        "Invalid value for call_control_id",
        "The call has had as many streams as it may have.",
        pointer="/call_control_id",
    ),
    # "occured" is Telnyx's spelling.
    errors.Unavailable: _Failure(503, "10007", "Unexpected error", "An unexpected error occured."),
}
_UNEXPECTED: Final = _FAILURES[errors.Unavailable]._replace(status=500)
_MALFORMED: Final = _Failure(
    400, "10015", "Bad Request", "The request failed because it was not well-formed."
)


def failure_of(error: Exception) -> tuple[int, list[Error]]:
    """The status and the errors of an answer to a request that has failed so."""
    match error:
        case errors.Invalid(issues=issues) if all(issue.location for issue in issues):
            return 422, [_invalid(issue) for issue in issues]
        case errors.Invalid():
            failure = _MALFORMED
        case _:
            failure = _FAILURES.get(type(error), _UNEXPECTED)
    return failure.status, [failure.error]


_ISSUES: Final[dict[errors.IssueKind, tuple[str, str]]] = {
    "missing": ("10004", "Missing required parameter"),
    "unknown": ("10015", "Bad Request"),
    "type": ("10026", "Invalid parameter type"),
    "enum": ("10032", "Invalid enumerated value"),
    "range": ("10033", "Value outside of range"),
    "url": ("10003", "Invalid URL"),
    "base64": ("10015", "Invalid value for {name}"),
    "value": ("10015", "Invalid value for {name}"),
}


def _invalid(issue: errors.Issue) -> Error:
    code, title = _ISSUES[issue.kind]
    name = str(issue.location[-1])
    match issue.kind:
        case "missing":
            detail = f"The '{name}' parameter is required and cannot be blank."
        case "unknown":
            detail = "Unknown parameter."
        case "enum":
            detail = _one_of(issue.message)
        case _:
            detail = f"{issue.message}."
    pointer = "".join(f"/{_escape(str(part))}" for part in issue.location)
    return Error(
        code=code, title=title.format(name=name), detail=detail, source=Source(pointer=pointer)
    )


def _escape(part: str) -> str:
    """Escape one part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def _one_of(message: str) -> str:
    """Telnyx's sentence for pydantic's "Input should be 'a', 'b' or 'c'"."""
    choices = message.removeprefix("Input should be ").replace("'", "").replace(" or ", ", ")
    return f"The value must be one of: {choices}."
