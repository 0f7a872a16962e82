"""The words of ASAPP's document."""

from typing import Final

from callstream import errors
from callstream.surfaces import asapp
from callstream_cli.openapi.document import Described, Document, Failure, rejection

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
        "GenerativeAgent and AutoTranscribe media gateways serve them. ASAPP documents which "
        "statuses there are; when each of them comes is our choice."
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
            "The call is known by its CallSid, which Twilio's media stream names too. It may be "
            "asked for before the media arrives; asking twice changes nothing; after "
            "`stop-streaming` it goes on, under the same stream ids. Once the call is over it is a "
            "conflict. `detailedToken` with a `redactionOutput` that asks for redaction is "
            "answered with 200, `isOk: false` and the status 4093.",
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
            "A pause: `start-streaming` goes on. Stopping what has been stopped changes nothing.",
            body={"namespace": "twilio", "guid": _CALL},
            answer={
                "isOk": True,
                "autotranscribeResponse": {
                    side: {
                        "streamId": stream_id,
                        "status": _WELL,
                        "summary": {
                            "totalAudioBytes": 0,
                            "audioDurationMs": 0,
                            "streamingSeconds": 61,
                            "transcripts": 0,
                        },
                    }
                    for side, stream_id in _SIDES.items()
                },
            },
        ),
    ],
    error=asapp.Error,
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
            "the tenant has no such route; nobody has asked for this call to be transcribed; the "
            "path or method does not exist",
        ),
        Failure(errors.Conflict(), "the call is over"),
        Failure(errors.TooLarge(), "the body has more than 64 KiB"),
        Failure(
            rejection(asapp.STOP_STREAMING, {}),
            "a field is missing, unknown, of the wrong type or has a value that it may not have",
        ),
        Failure(
            errors.RateLimited(100, 1),
            "the tenant's limit (by default 100 a second), or API Gateway's throttling",
        ),
        Failure(errors.Unavailable("dynamodb", "Timeout"), "a table or secret did not answer"),
        Failure(Exception(), "a fault of ours; the log has it under the `requestId`"),
    ],
    words={
        "StreamingUrl": {"streamingUrl": "The WebSocket's URL, with a signed token in it"},
        "StreamingUrlBody": {
            "externalId": "Your id of the conversation, the same for all of its streams"
        },
        "CallBody": {
            "namespace": "Where the media comes from",
            "guid": "Twilio's CallSid",
        },
        "StartStreamingBody": {
            "namespace": "Where the media comes from",
            "guid": "Twilio's CallSid",
            "customerId": "Your id of the customer",
            "agentId": "Your id of the agent",
            "autotranscribeParams": "How to transcribe",
            "siprecParams": "What only SIPREC's streams have; without meaning here",
            "amazonConnectParams": "What only Amazon Connect's streams have; without meaning here",
            "twilioParams": "What only Twilio's streams have",
        },
        "AutotranscribeParams": {
            "language": "What is spoken",
            "detailedToken": "Whether transcripts shall say more of each word",
            "audioRecordingAllowed": "Whether the audio may be kept",
            "redactionOutput": "Whether private data is blacked out in transcripts",
        },
        "TwilioParams": {"trackMap": "Who speaks on which track"},
        "TrackMap": {
            "inbound": "Who is heard on the inbound track",
            "outbound": "Who is heard on the outbound track",
        },
        "Started": {
            "isOk": "Whether the request was carried out",
            "autotranscribeResponse": "How it went with each side of the call",
            "errorMessage": "Why it was not",
        },
        "Stopped": {
            "isOk": "Whether the request was carried out",
            "autotranscribeResponse": "How it went with each side of the call",
        },
        "SideStarted": {
            "streamId": "The id under which the side's transcripts come",
            "status": "How it went",
        },
        "SideStopped": {
            "streamId": "The id under which the side's transcripts came",
            "status": "How it went",
            "summary": "What came of it",
        },
        "Status": {"code": "The vendor's number; 1000 is well", "description": "The same in words"},
        "Summary": {
            "totalAudioBytes": "Audio that was transcribed",
            "audioDurationMs": "The same as a time",
            "streamingSeconds": "From the last start to the stop",
            "transcripts": "How many there were",
        },
        "Error": {"error": "What went wrong"},
        "ErrorDetails": {
            "requestId": "API Gateway's id of the request, which is also in the operator's log",
            "message": "The status in words",
            "code": "The status and a number",
        },
    },
)
