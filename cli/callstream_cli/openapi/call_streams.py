"""The words that the documents of Twilio and SignalWire share."""

from collections.abc import Mapping
from typing import Final

from callstream import errors
from callstream.relays.model import NameTaken
from callstream.surfaces.call_streams import Fields
from callstream.surfaces.pipeline import Operation
from callstream_cli.openapi.document import Described, Example, Failure, Parameter, rejected

URL: Final = {"Url": "wss://consumer.example.com/audio"}
SECURITY: Final = {"basic": {"type": "http", "scheme": "basic"}}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "CreateStreamBody": {
        "Url": "The WebSocket that receives the stream: an absolute `wss` URL",
        "Name": "Can replace the id in a stop; unique among the call's streams in progress",
        "Track": "Which audio to stream",
        "StatusCallback": "The URL that receives the stream's callbacks",
        "StatusCallbackMethod": "The HTTP method of the callbacks",
        r"^Parameter[1-9][0-9]?\.(Name|Value)$": "Names and values for the start message",
    },
    "UpdateStreamBody": {"Status": "The only possible value"},
    "Stream": {
        "sid": "The stream's id",
        "call_sid": "The call's id",
        "name": "The stream's name, if it has one",
        "status": "The state of the stream",
        "date_updated": "The time of the last change, as in RFC 2822",
        "uri": "The path that stops it",
    },
}


def answer(base: str, account: str, call: str, stream: str) -> Fields:
    """An example of a stream."""
    return {
        "sid": stream,
        "account_sid": account,
        "call_sid": call,
        "name": "my-stream",
        "status": "in-progress",
        "date_updated": "Fri, 21 Aug 2026 10:15:00 +0000",
        "uri": f"{base}/Accounts/{account}/Calls/{call}/Streams/{stream}.json",
    }


def operations(
    create: Operation, update: Operation, stream: Example, track: str, note: str = ""
) -> list[Described]:
    """Both operations, with an example of a stream; `note` says more about custom parameters."""
    return [
        Described(
            create,
            "`Parameter1.Name` and `Parameter1.Value` to `Parameter99.Name` and "
            "`Parameter99.Value` are sent to the WebSocket server in the start message. An "
            f"empty field counts as left out.{note}",
            body=URL
            | {
                "Name": "my-stream",
                "Track": track,
                "StatusCallback": "https://app.example.com/streams",
                "Parameter1.Name": "tenant",
                "Parameter1.Value": "acme",
            },
            answer=stream,
        ),
        Described(
            update,
            "The only possible update is a stop. Stopping a stream that was stopped, or that ended "
            "with its call, changes nothing.",
            body={"Status": "stopped"},
            answer={**stream, "status": "stopped"},
        ),
    ]


def parameters(account: Parameter, call: str, stream: Parameter) -> dict[str, Parameter]:
    """The parts of the paths."""
    call_sid = Parameter("The carrier's id of the call", call)
    return {"AccountSid": account, "CallSid": call_sid, "Sid": stream}


def failures(create: Operation, unauthenticated: str, account: str) -> list[Failure]:
    """The failures of both vendors.

    Args:
        create: the operation that creates a stream.
        unauthenticated: when credentials are refused.
        account: the vendor's word for the account.
    """
    return [
        Failure(
            errors.BadRequest(),
            "the body is not a form in UTF-8, or has more than 64 KiB or 500 fields",
        ),
        Failure(
            errors.UnsupportedMediaType(),
            "the body is not sent as `application/x-www-form-urlencoded`",
        ),
        Failure(errors.Unauthenticated(), unauthenticated),
        Failure(
            errors.NotFound(),
            f"the {account} has no such call, the call no such stream, or there is no such path",
        ),
        rejected(
            create, {"Url": "ws://consumer.example.com/audio"}, "`Url` is not a WebSocket URL"
        ),
        Failure(errors.CallEnded(), "a stream is to be created, but the call has ended"),
        rejected(
            create, {}, "any other field is missing, unknown, or has a value that is not allowed"
        ),
        rejected(create, URL | {"StatusCallback": "/streams"}, "`StatusCallback` is not a URL"),
        rejected(
            create,
            URL | {"StatusCallbackMethod": "PUT"},
            "`StatusCallbackMethod` is neither GET nor POST",
        ),
        Failure(NameTaken(), "another stream in progress of the call has the name"),
        Failure(
            errors.RateLimited(100, 1),
            "the tenant's limit (by default 100 a second), or API Gateway's throttling",
        ),
        Failure(
            errors.LimitReached("active_relays", 200),
            "as many streams are in progress as the tenant, or the call, may have",
        ),
        Failure(
            errors.CallFull("relays_of_call", 500),
            "the call has had as many streams as it may have",
        ),
        Failure(Exception(), "a fault on our side"),
        Failure(errors.Unavailable("dynamodb", "Timeout"), "a table or secret did not answer"),
    ]
