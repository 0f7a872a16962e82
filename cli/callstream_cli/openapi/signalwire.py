"""The words of SignalWire's document."""

from typing import Final

from callstream.surfaces import signalwire, signalwire_models
from callstream.surfaces.call_streams import BASE
from callstream_cli.openapi import call_streams
from callstream_cli.openapi.document import Document, Parameter

_PROJECT: Final = "b08dacad-0000-4de1-93d6-cc732e0c0001"
_CALL: Final = "76ac3c36-0000-4a3e-a0d6-b5f8df6d0001"
_STREAM: Final = "7d56cc11-0000-4a45-b4fb-ed3d55be0001"
_ANSWER: Final = signalwire_models.Stream(
    **call_streams.answer(f"/api/laml{BASE}", _PROJECT, _CALL, _STREAM), error_code=None
).model_dump()
_WORDS: Final = call_streams.WORDS

DOCUMENT: Final = Document(
    surface=signalwire.SignalwireSurface(),
    title="SignalWire",
    description=(
        "The streams of a call, as SignalWire's Compatibility API serves them. For Basic "
        "authentication, the user is the project's id and the password is an API token with the "
        "scope Voice. The error body names the first error only."
    ),
    security=call_streams.SECURITY,
    operations=call_streams.operations(
        signalwire.CREATE_STREAM, signalwire.UPDATE_STREAM, _ANSWER, "both_tracks"
    ),
    parameters=call_streams.parameters(
        Parameter("The project's id", _PROJECT),
        _CALL,
        Parameter("The stream's id, or its name; `.json` may follow", _STREAM),
    ),
    error=signalwire_models.Error,
    failures=call_streams.failures(
        signalwire.CREATE_STREAM,
        "the token is missing, unknown, revoked, wrong, another project's or without the scope "
        "Voice; the tenant is disabled",
        "project",
    ),
    words={
        **_WORDS,
        "CreateStreamBody": {
            **_WORDS["CreateStreamBody"],
            "AuthorizationBearerToken": (
                "Sent with the WebSocket's handshake as `Authorization: Bearer …`"
            ),
        },
        "Stream": {
            **_WORDS["Stream"],
            "account_sid": "The project's id",
            "api_version": "Always the same",
            "error_code": "The reason of a failure",
        },
        "Error": {
            "code": "SignalWire's number of the error",
            "message": "The error in words",
            "more_info": "SignalWire's page about the numbers",
            "status": "The HTTP status",
        },
    },
)
