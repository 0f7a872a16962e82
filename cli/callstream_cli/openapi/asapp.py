"""The words of ASAPP's document."""

from typing import Final

from callstream import errors
from callstream.surfaces import asapp, asapp_models
from callstream_cli.openapi.document import Described, Document, Failure, rejected

_CALL: Final = "CA0123456789abcdef0123456789abcdef"
_SIDES: Final = {
    "customer": "5f1f0e0e-3c6a-4f53-a6e5-0b7c1f1c0001",
    "agent": "5f1f0e0e-3c6a-4f53-a6e5-0b7c1f1c0002",
}
_WELL: Final = {"code": 1000, "description": "OK"}
_GIVES_URL: Final = (
    "The URL is good for 5 minutes, and opens any number of streams in that time. A stream that is "
    "open stays open."
)

DOCUMENT: Final = Document(
    surface=asapp.AsappSurface(),
    title="ASAPP",
    description=(
        "Media URLs for Twilio, and transcription of the streams that use them, as ASAPP's "
        "GenerativeAgent and AutoTranscribe media gateways serve them. ASAPP documents the "
        "statuses; their causes are our choice."
    ),
    security={
        "API-ID": {"type": "apiKey", "in": "header", "name": "asapp-api-id"},
        "API-Secret": {"type": "apiKey", "in": "header", "name": "asapp-api-secret"},
    },
    operations=[
        Described(
            asapp.MEDIA_URL["genagent"],
            f"For `<Connect><Stream url=…>`. {_GIVES_URL}",
            answer={"streamingUrl": "wss://media.example.com/mg-twilio-genagent/twilio-media/eyJ…"},
        ),
        Described(
            asapp.MEDIA_URL["autotranscribe"],
            f"For `<Start><Stream url=…>`. {_GIVES_URL}",
            answer={
                "streamingUrl": (
                    "wss://media.example.com/mg-twilio-autotranscribe/twilio-media/eyJ…"
                )
            },
        ),
        Described(
            asapp.STREAMING_URL,
            f"For a client that streams audio itself. {_GIVES_URL} The body may be left out.",
            body={"externalId": "8560333f-7e53-4e9f-80f3-3409a396506e"},
            answer={"streamingUrl": "wss://media.example.com/autotranscribe/eyJ…"},
        ),
        Described(
            asapp.START_STREAMING,
            "`guid` is the call's CallSid, which is also in Twilio's media stream; calls of Telnyx "
            "and SignalWire are transcribed too, by the id that the carrier gives them. The "
            "request may come before the media; a repetition changes nothing; after "
            "`stop-streaming` the transcription continues with the same stream ids; after the end "
            "of the call the answer is 409. A `redactionOutput` that asks for redaction cannot be "
            "had together with `detailedToken` (4093) or without `smartFormatting` (4092), nor "
            "a language that the engine does not know (4050), nor anything without an engine "
            "(4080): the answer is then 200 with `isOk: false` and this status on both sides.",
            body={
                "namespace": "twilio",
                "guid": _CALL,
                "customerId": "cust-42",
                "agentId": "agent-7",
                "autotranscribeParams": {
                    "language": "en-US",
                    "detailedToken": False,
                    "audioRecordingAllowed": False,
                    "redactionOutput": "redacted",
                },
                "twilioParams": {"trackMap": {"inbound": "customer", "outbound": "agent"}},
            },
            answer={
                "isOk": True,
                "autotranscribeResponse": {
                    side: {"streamId": stream_id, "status": _WELL}
                    for side, stream_id in _SIDES.items()
                },
            },
        ),
        Described(
            asapp.STOP_STREAMING,
            "A pause: `start-streaming` continues it. Nothing that is said after the request is "
            "transcribed. The answer comes when the last lines have been made, with what was "
            "transcribed since `start-streaming`; if that takes too long, with counts of 0, and a "
            "repetition has the true ones later. Stopping twice changes nothing.",
            body={"namespace": "twilio", "guid": _CALL},
            answer={
                "isOk": True,
                "autotranscribeResponse": {
                    side: {
                        "streamId": stream_id,
                        "status": _WELL,
                        "summary": {
                            "totalAudioBytes": 972800,
                            "audioDurationMs": 60800,
                            "streamingSeconds": 61,
                            "transcripts": 9,
                        },
                    }
                    for side, stream_id in _SIDES.items()
                },
            },
        ),
    ],
    error=asapp_models.Error,
    failures=[
        Failure(errors.BadRequest(), "the body is not JSON, or not sent as `application/json`"),
        Failure(
            errors.Unauthenticated(),
            "a header is missing; the id is unknown or revoked; the secret is wrong",
        ),
        Failure(
            errors.Forbidden(),
            "the tenant is disabled, or the credential is not for this product (scope)",
        ),
        Failure(
            errors.NotFound(),
            "the tenant has no such route; `stop-streaming` without a start; the path or method "
            "does not exist",
        ),
        Failure(errors.Conflict(), "the call has ended, or has had as many relays as it may have"),
        Failure(errors.TooLarge(), "the body has more than 64 KiB"),
        rejected(
            asapp.STOP_STREAMING,
            {},
            "a field is missing, unknown, of the wrong type or has a value that is not allowed",
        ),
        Failure(
            errors.RateLimited(100, 1),
            "the tenant's limit (by default 100 a second), as many active relays as the tenant or "
            "the call may have, or API Gateway's throttling",
        ),
        Failure(
            errors.Unavailable("dynamodb", "Timeout"),
            "a table, secret or stream did not answer; the request is not carried out",
        ),
        Failure(Exception(), "a fault on our side; the log has it under the `requestId`"),
    ],
    words={
        "StreamingUrl": {"streamingUrl": "The WebSocket's URL, with a signed token in it"},
        "StreamingUrlBody": {
            "externalId": "Your id of the conversation, the same for all of its streams"
        },
        "CallBody": {
            "namespace": "Where the media comes from: `twilio` for every carrier here",
            "guid": "The id that the carrier gives the call; of Twilio the CallSid",
        },
        "StartStreamingBody": {
            "namespace": "Where the media comes from: `twilio` for every carrier here",
            "guid": "The id that the carrier gives the call; of Twilio the CallSid",
            "customerId": "Your id of the customer",
            "agentId": "Your id of the agent",
            "autotranscribeParams": "How to transcribe",
            "siprecParams": "Only for SIPREC; ignored here",
            "amazonConnectParams": "Only for Amazon Connect; ignored here",
            "twilioParams": "Only for Twilio",
        },
        "AutotranscribeParams": {
            "language": "The language of the call",
            "detailedToken": "Whether transcripts have details of each word",
            "smartFormatting": "Whether texts have punctuation, capitals and numbers in figures",
            "audioRecordingAllowed": "Whether the audio may be kept",
            "redactionOutput": "Whether private data is removed from transcripts",
        },
        "TwilioParams": {"trackMap": "The speaker of each track"},
        "TrackMap": {
            "inbound": "The speaker of the inbound track",
            "outbound": "The speaker of the outbound track",
        },
        "Started": {
            "isOk": "Whether the request was carried out",
            "autotranscribeResponse": "The result for each side of the call",
            "errorMessage": "The reason, if it was not",
        },
        "Stopped": {
            "isOk": "Whether the request was carried out",
            "autotranscribeResponse": "The result for each side of the call",
            "errorMessage": "Why the transcription had failed before, if it had",
        },
        "SideStarted": {
            "streamId": "The id of the side's transcripts",
            "status": "The result",
        },
        "SideStopped": {
            "streamId": "The id of the side's transcripts",
            "status": "The result",
            "summary": "The amounts of audio and transcripts",
        },
        "Status": {
            "code": "ASAPP's number; 1000 means success",
            "description": "The same in words",
        },
        "Summary": {
            "totalAudioBytes": "Bytes of transcribed audio, as 16-bit linear PCM at 8 kHz",
            "audioDurationMs": "Milliseconds of transcribed audio",
            "streamingSeconds": "Seconds from the last start to the stop",
            "transcripts": "The number of transcripts",
        },
        "Error": {"error": "The error"},
        "ErrorDetails": {
            "requestId": "API Gateway's id of the request, which is also in the operator's log",
            "message": "The status in words; for 400 and 422 also the fault and its field",
            "code": "The status and a number",
        },
    },
)
