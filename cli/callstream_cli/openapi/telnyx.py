"""The words of Telnyx's document."""

from typing import Final

from callstream import errors
from callstream.relays.model import NoSuchRelay
from callstream.relays.virtual_agents import NoConnection, NoVirtualAgent
from callstream.surfaces import telnyx, telnyx_models
from callstream_cli.openapi import telnyx_dialogflow
from callstream_cli.openapi.document import (
    Described,
    Document,
    Failure,
    Header,
    Parameter,
    rejected,
)

_COMMAND_WORDS: Final = {
    "client_state": "Sent unchanged with every later webhook of the call; the latest value counts",
    "command_id": (
        "A command with the id of an earlier command for the same call within 60 seconds gets the "
        "same answer and does nothing"
    ),
}
_URL: Final = {"stream_url": "wss://www.example.com/websocket"}
_ACCEPTED: Final = {"data": {"result": "ok"}}
# Whoever is authenticated has an allowance, whatever comes of the request.
_COUNTED: Final = frozenset({200, 201, 204, 400, 403, 404, 413, 415, 422, 429})
_EVERY_ERROR: Final = frozenset({400, 401, 403, 404, 413, 415, 422, 429, 500, 503})

DOCUMENT: Final = Document(
    surface=telnyx.TelnyxSurface(),
    title="Telnyx",
    description=(
        "Streaming of Telnyx's Call Control, of which a 200 means that a command was accepted; "
        "webhooks report its effects. And the connections to Dialogflow."
    ),
    security={"bearer": {"type": "http", "scheme": "bearer"}},
    operations=[
        Described(
            telnyx.STREAMING_START,
            "Every start makes a new stream, and another with `enable_dialogflow`; a call may have "
            "several. Exception: a start without `command_id` makes none that is active already.",
            body={
                "stream_url": "wss://www.example.com/websocket",
                "stream_track": "both_tracks",
                "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
                "command_id": "891510ac-f3e4-11e8-af5b-de00688a4901",
                "enable_dialogflow": False,
                "dialogflow_config": {
                    "analyze_sentiment": False,
                    "partial_automated_agent_reply": False,
                },
            },
            answer=_ACCEPTED,
        ),
        Described(
            telnyx.STREAMING_STOP,
            "Without `stream_id` all of the call's streams are stopped. A call without "
            "streams to stop is not an error. The body may be left out.",
            body={
                "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
                "command_id": "891510ac-f3e4-11e8-af5b-de00688a4901",
            },
            answer=_ACCEPTED,
        ),
        *telnyx_dialogflow.OPERATIONS,
    ],
    parameters=telnyx_dialogflow.PARAMETERS
    | {
        "call_control_id": Parameter(
            "The call's leg, as Telnyx knows it: `call_control_id` of its webhooks and of the "
            "media stream's start message",
            "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg",
        )
    },
    headers={
        "x-ratelimit-limit": Header(
            "The number of requests that the tenant may make in the present window",
            {"type": "integer"},
            _COUNTED,
        ),
        "x-ratelimit-remaining": Header(
            "The number of requests that are left", {"type": "integer"}, _COUNTED
        ),
        "x-ratelimit-reset": Header("Seconds until the next window", {"type": "integer"}, _COUNTED),
        "x-request-id": Header(
            "API Gateway's id of the request, which is also in the operator's log",
            {"type": "string"},
            _EVERY_ERROR,
        ),
    },
    error=telnyx_models.Errors,
    failures=[
        Failure(errors.BadRequest(), "the body is not JSON"),
        Failure(errors.Invalid(errors.Issue((), "type", "")), "the body is not a JSON object"),
        Failure(errors.Unauthenticated(), "the key is missing, unknown, revoked or wrong"),
        Failure(
            errors.Forbidden(),
            "the tenant is disabled, or the key lacks the scope `call-control`",
        ),
        Failure(errors.TooLarge(), "the body has more than 64 KiB"),
        Failure(errors.UnsupportedMediaType(), "the body is not sent as `application/json`"),
        rejected(
            telnyx.STREAMING_START, {}, "`stream_url` is missing, and Dialogflow is not wanted"
        ),
        rejected(
            telnyx.STREAMING_START,
            _URL | {"stream_track": "both"},
            "a value is not in the list of allowed values",
        ),
        rejected(
            telnyx.STREAMING_START, _URL | {"command_id": ""}, "a value is too long or too short"
        ),
        rejected(
            telnyx.STREAMING_START,
            _URL | {"enable_dialogflow": "no"},
            "a value is of the wrong type",
        ),
        rejected(
            telnyx.STREAMING_START,
            {"stream_url": "https://www.example.com"},
            "`stream_url` is not a WebSocket URL",
        ),
        rejected(
            telnyx.STREAMING_START, _URL | {"client_state": "?"}, "`client_state` is not Base64"
        ),
        rejected(
            telnyx.STREAMING_START, _URL | {"streem_track": "both_tracks"}, "an unknown field"
        ),
        rejected(
            telnyx.STREAMING_START,
            _URL
            | {"stream_bidirectional_mode": "rtp", "stream_bidirectional_sampling_rate": 16000},
            "a sampling rate that the codec does not have",
        ),
        *telnyx_dialogflow.FAILURES,
        Failure(errors.UnknownCall(), "the tenant has no such call"),
        Failure(errors.CallEnded(), "the call has ended"),
        Failure(
            NoConnection(),
            "`enable_dialogflow`: none of the tenant's stored connections is for the call",
        ),
        Failure(NoVirtualAgent(), "`enable_dialogflow`: this deployment is without Dialogflow"),
        Failure(NoSuchRelay(), "`streaming_stop`: the call has never had a stream of this id"),
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
        Failure(Exception(), "a fault on our side; the log has it under the `x-request-id`"),
        Failure(errors.Unavailable("dynamodb", "Timeout"), "a table or secret did not answer"),
    ],
    words=telnyx_dialogflow.WORDS
    | {
        "StreamingStart": _COMMAND_WORDS
        | {
            "stream_url": (
                "The WebSocket that receives the stream; not needed if `enable_dialogflow` is set"
            ),
            "stream_track": "Which audio to stream: from the leg, to the leg, or both",
            "stream_codec": "The codec of the stream; `default` is the call's own codec",
            "stream_bidirectional_mode": "The form of return audio: MP3 files or RTP payloads",
            "stream_bidirectional_codec": "The codec of return audio in `rtp` mode; case-sensitive",
            "stream_bidirectional_sampling_rate": (
                "The sampling rate of return audio in `rtp` mode, in Hz: 8000 with PCMU and PCMA, "
                "8000 or 16000 with G722"
            ),
            "stream_bidirectional_target_legs": "The legs that receive return audio",
            "stream_auth_token": "Sent with the WebSocket's handshake",
            "custom_parameters": "Names and values for the start message",
            "enable_dialogflow": "Whether an agent of Dialogflow talks on the call",
            "dialogflow_config": "Options of Dialogflow",
        },
        "DialogflowConfig": {
            "analyze_sentiment": "Whether Dialogflow rates how the person on the phone feels",
            "partial_automated_agent_reply": "Whether a reply may begin before it is complete",
        },
        "CustomParameter": {"name": "Its name", "value": "Its value"},
        "StreamingStop": _COMMAND_WORDS
        | {"stream_id": "Which stream to stop: its id, as the start message and webhooks have it"},
        "Accepted": {"data": "The answer"},
        "Result": {"result": "Always the same"},
        "Errors": {"errors": "The list of errors"},
        "Error": {
            "code": "Telnyx's number of the error",
            "title": "The error in short",
            "detail": "The error in words",
            "source": "The place in the request",
            "meta": "More information",
        },
        "Source": {"pointer": "A JSON pointer"},
        "Meta": {"url": "A page of Telnyx's documents"},
    },
)
