"""Refusals of API Gateway itself look like refusals of the functions behind it."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from _pytest.mark import ParameterSet

from callstream import errors
from callstream.surfaces.asapp import AsappSurface
from callstream.surfaces.clerk import ClerkSurface
from callstream.surfaces.pipeline import VendorSurface
from callstream.surfaces.signalwire import SignalwireSurface
from callstream.surfaces.telnyx import TelnyxSurface
from callstream.surfaces.twilio import TwilioSurface
from tests import template

SURFACES: Final[dict[str, VendorSurface]] = {
    "AsappApi": AsappSurface(),
    "ClerkApi": ClerkSurface(),
    "TelnyxApi": TelnyxSurface(),
    "SignalwireApi": SignalwireSurface(),
    "TwilioApi": TwilioSurface(),
}
# With these surfaces, an unknown path with an Authorization header gets one of these types.
UNKNOWN_PATHS: Final = {"DEFAULT_4XX", "INVALID_SIGNATURE", "EXPIRED_TOKEN"}
HAVE_AUTHORIZATION: Final = {"TelnyxApi", "SignalwireApi", "TwilioApi"}
ERRORS: Final[dict[str, Exception]] = {
    "DEFAULT_4XX": errors.BadRequest(),
    "UNAUTHORIZED": errors.Unauthenticated(),
    "INVALID_API_KEY": errors.Unauthenticated(),
    "ACCESS_DENIED": errors.Forbidden(),
    "INVALID_SIGNATURE": errors.Forbidden(),
    "EXPIRED_TOKEN": errors.Forbidden(),
    "WAF_FILTERED": errors.Forbidden(),
    "MISSING_AUTHENTICATION_TOKEN": errors.NotFound(),
    "RESOURCE_NOT_FOUND": errors.NotFound(),
    "REQUEST_TOO_LARGE": errors.TooLarge(),
    "UNSUPPORTED_MEDIA_TYPE": errors.UnsupportedMediaType(),
    "THROTTLED": errors.RateLimited(100, 1),
    "QUOTA_EXCEEDED": errors.RateLimited(100, 1),
    "INTEGRATION_TIMEOUT": errors.Unavailable("lambda", "Timeout"),
    "INTEGRATION_FAILURE": errors.Unavailable("lambda", "Failure"),
    "DEFAULT_5XX": Exception(),
}


def refusals() -> Iterator[ParameterSet]:
    """The refusals of every API: logical id, gateway response, and the error that it stands for."""
    for api in SURFACES:
        responses = template.load()["Resources"][api]["Properties"]["GatewayResponses"]
        for kind, response in responses.items():
            is_unknown_path = api in HAVE_AUTHORIZATION and kind in UNKNOWN_PATHS
            error = errors.NotFound() if is_unknown_path else ERRORS[kind]
            yield pytest.param(api, response, error, id=f"{api}-{kind}")


@pytest.mark.parametrize(("api", "response", "error"), [*refusals()])
def test_gateway_response_is_the_answer_of_the_surface(
    api: str, response: dict[str, Any], error: Exception
) -> None:
    answer = SURFACES[api].failure(error, "$context.requestId")
    body = json.loads(response["ResponseTemplates"]["application/json"])
    expected: Any = answer.body

    if (api, body.get("code")) in {("SignalwireApi", 10000), ("TwilioApi", 400)}:
        # These vendors have one code for all invalid requests; the functions' text says more.
        body, expected = ({**each, "message": ""} for each in (body, expected))
    if (api, answer.status) == ("AsappApi", 400):
        # The functions say what is wrong with the body, after the same words.
        fault = expected["error"]["message"]
        assert fault.startswith(f"{body['error']['message']}: ")
        expected = {"error": expected["error"] | {"message": body["error"]["message"]}}
    assert (response["StatusCode"], body) == (answer.status, expected)
