"""The words of Twilio's document."""

from typing import Final

from callstream.surfaces import twilio, twilio_models
from callstream.surfaces.call_streams import BASE
from callstream.surfaces.call_streams_models import StreamError
from callstream_cli.openapi import call_streams
from callstream_cli.openapi.document import Document, Parameter, rejected

_ACCOUNT: Final = "ACb08dacad00004de193d6cc732e0c0001"
_CALL: Final = "CA76ac3c3600004a3ea0d6b5f8df6d0001"
_STREAM: Final = "MZ7d56cc1100004a45b4fbed3d55be0001"
_ANSWER: Final = twilio_models.Stream(
    **call_streams.answer(BASE, _ACCOUNT, _CALL, _STREAM)
).model_dump()
_WORDS: Final = call_streams.WORDS

DOCUMENT: Final = Document(
    surface=twilio.TwilioSurface(),
    title="Twilio",
    description=(
        "The streams of a call, as Twilio's API serves them: one-way streams of mu-law audio. For "
        "Basic authentication, the user is the AccountSid and the password is the AuthToken, or "
        "the user is the sid of an API key and the password is the key's secret. The error body "
        "names the first error only."
    ),
    security=call_streams.SECURITY,
    operations=call_streams.operations(
        twilio.CREATE_STREAM,
        twilio.UPDATE_STREAM,
        _ANSWER,
        "inbound_track",
        " The name and the value of a parameter must have fewer than 500 characters together.",
    ),
    parameters=call_streams.parameters(
        Parameter("The account's sid", _ACCOUNT),
        _CALL,
        Parameter("The stream's sid, or its name; `.json` may follow", _STREAM),
    ),
    error=StreamError,
    failures=[
        *call_streams.failures(
            twilio.CREATE_STREAM,
            "the AuthToken or API key is missing, unknown, revoked, wrong or without the scope "
            "Voice; the tenant is disabled",
            "account",
        ),
        rejected(
            twilio.CREATE_STREAM,
            {"Url": "wss://consumer.example.com/audio?a=b"},
            "`Url` is relative, malformed or has a query string",
        ),
        rejected(
            twilio.CREATE_STREAM,
            call_streams.URL | {"Track": "all"},
            "`Track` is none of the three",
        ),
        rejected(
            twilio.CREATE_STREAM, call_streams.URL | {"Codec": "L16"}, "there is no such parameter"
        ),
    ],
    words={
        **_WORDS,
        "Stream": {**_WORDS["Stream"], "account_sid": "The account's sid"},
        "StreamError": {
            "code": "Twilio's number of the error",
            "message": "The error in words",
            "more_info": "Twilio's page about the error",
            "status": "The HTTP status",
        },
    },
)
