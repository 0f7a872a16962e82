"""The words of SignalWire's document."""

from typing import Final

from callstream import errors
from callstream.relays.model import NameTaken
from callstream.surfaces import signalwire, signalwire_models
from callstream_cli.openapi.document import Described, Document, Failure, Parameter, rejected

_PROJECT: Final = "b08dacad-0000-4de1-93d6-cc732e0c0001"
_CALL: Final = "76ac3c36-0000-4a3e-a0d6-b5f8df6d0001"
_STREAM: Final = "7d56cc11-0000-4a45-b4fb-ed3d55be0001"
_URL: Final = {"Url": "wss://consumer.example.com/audio"}
_ANSWER: Final = {
    "sid": _STREAM,
    "account_sid": _PROJECT,
    "call_sid": _CALL,
    "api_version": signalwire_models.API_VERSION,
    "name": "my-stream",
    "status": "in-progress",
    "date_updated": "Fri, 21 Aug 2026 10:15:00 +0000",
    "error_code": None,
    "uri": (
        f"/api/laml/{signalwire_models.API_VERSION}/Accounts/{_PROJECT}/Calls/{_CALL}/Streams/{_STREAM}"
        ".json"
    ),
}

DOCUMENT: Final = Document(
    surface=signalwire.SignalwireSurface(),
    title="SignalWire",
    description=(
        "The streams of a call, as SignalWire's Compatibility API serves them. For Basic "
        "authentication, the user is the project's id and the password is an API token with the "
        "scope Voice. The error body names the first error only."
    ),
    security={"basic": {"type": "http", "scheme": "basic"}},
    operations=[
        Described(
            signalwire.CREATE_STREAM,
            "`Parameter1.Name` and `Parameter1.Value` to `Parameter99.Name` and "
            "`Parameter99.Value` are sent to the WebSocket server in the start message. An "
            "empty field counts as left out.",
            body={
                "Url": "wss://consumer.example.com/audio",
                "Name": "my-stream",
                "Track": "both_tracks",
                "StatusCallback": "https://app.example.com/streams",
                "Parameter1.Name": "tenant",
                "Parameter1.Value": "acme",
            },
            answer=_ANSWER,
        ),
        Described(
            signalwire.UPDATE_STREAM,
            "The only possible update is a stop. Stopping a stream that was stopped, or that ended "
            "with its call, changes nothing.",
            body={"Status": "stopped"},
            answer=_ANSWER | {"status": "stopped"},
        ),
    ],
    parameters={
        "AccountSid": Parameter("The project's id", _PROJECT),
        "CallSid": Parameter("The carrier's id of the call", _CALL),
        "Sid": Parameter("The stream's id, or its name; `.json` may follow", _STREAM),
    },
    error=signalwire_models.Error,
    failures=[
        Failure(
            errors.BadRequest(),
            "the body is not a form in UTF-8, or has more than 64 KiB or 500 fields",
        ),
        Failure(
            errors.UnsupportedMediaType(),
            "the body is not sent as `application/x-www-form-urlencoded`",
        ),
        Failure(
            errors.Unauthenticated(),
            "the token is missing, unknown, revoked, wrong, another project's or without the scope "
            "Voice; the tenant is disabled",
        ),
        Failure(
            errors.NotFound(),
            "the project has no such call, the call no such stream, or there is no such path",
        ),
        rejected(
            signalwire.CREATE_STREAM,
            {"Url": "ws://consumer.example.com/audio"},
            "`Url` is not a WebSocket URL",
        ),
        Failure(errors.CallEnded(), "a stream is to be created, but the call has ended"),
        rejected(
            signalwire.CREATE_STREAM,
            {},
            "any other field is missing, unknown, or has a value that is not allowed",
        ),
        rejected(
            signalwire.CREATE_STREAM,
            _URL | {"StatusCallback": "/streams"},
            "`StatusCallback` is not a URL",
        ),
        rejected(
            signalwire.CREATE_STREAM,
            _URL | {"StatusCallbackMethod": "PUT"},
            "`StatusCallbackMethod` is neither GET nor POST",
        ),
        Failure(NameTaken(), "another stream in progress of the call has the name"),
        Failure(
            errors.RateLimited(100, 1),
            "the tenant's limit (by default 100 a second), or API Gateway's throttling",
        ),
        Failure(Exception(), "a fault on our side"),
        Failure(errors.Unavailable("dynamodb", "Timeout"), "a table or secret did not answer"),
    ],
    words={
        "CreateStreamBody": {
            "Url": "The WebSocket that receives the stream: an absolute `wss` URL",
            "Name": "Can replace the id in a stop; unique among the call's streams in progress",
            "Track": "Which audio to stream",
            "StatusCallback": "The URL that receives the stream's callbacks",
            "StatusCallbackMethod": "The HTTP method of the callbacks",
            "AuthorizationBearerToken": (
                "Sent with the WebSocket's handshake as `Authorization: Bearer …`"
            ),
            r"^Parameter[1-9][0-9]?\.(Name|Value)$": "Names and values for the start message",
        },
        "UpdateStreamBody": {"Status": "The only possible value"},
        "Stream": {
            "sid": "The stream's id",
            "account_sid": "The project's id",
            "call_sid": "The call's id",
            "api_version": "Always the same",
            "name": "The stream's name, if it has one",
            "status": "The state of the stream",
            "date_updated": "The time of the last change, as in RFC 2822",
            "error_code": "The reason of a failure",
            "uri": "The path that stops it",
        },
        "Error": {
            "code": "SignalWire's number of the error",
            "message": "The error in words",
            "more_info": "SignalWire's page about the numbers",
            "status": "The HTTP status",
        },
    },
)
