"""What failures of Google mean."""

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError, MethodNotAllowed, ServiceUnavailable

from callstream.adapters.google.failures import failure_of, failure_of_request

SAID = "my card number is 4111"


REPEATED = {
    "ABORTED",
    "CANCELLED",
    "DATA_LOSS",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "UNAVAILABLE",
    "UNKNOWN",
}


@pytest.mark.parametrize("code", [each for each in grpc.StatusCode if each.name != "OK"])
def test_failure_of_every_status_has_a_remedy_and_a_reason_of_ours(code: grpc.StatusCode) -> None:
    failed = failure_of(code, SAID)
    others = {"OUT_OF_RANGE": "renew", "RESOURCE_EXHAUSTED": "wait"}

    assert SAID not in repr(failed)
    assert failed.reason.replace("_", "").islower()
    assert failed.remedy == ("repeat" if code.name in REPEATED else others.get(code.name, "none"))


def test_failure_of_another_location_and_of_a_reply_too_large_are_told_by_the_text() -> None:
    invalid, exhausted = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
    too_large = failure_of(exhausted, "CLIENT: Received message larger than max (9 vs. 8)")

    assert failure_of(invalid, "Please use the regional endpoint").reason == "wrong_location"
    assert failure_of(invalid, "Location of the profile is eu").reason == "wrong_location"
    assert failure_of(invalid, "audio_config").reason == "bad_request"
    assert (too_large.reason, too_large.remedy) == ("reply_too_large", "none")


def test_failure_of_a_request_is_that_of_its_status() -> None:
    unavailable: GoogleAPICallError = ServiceUnavailable(SAID)  # type: ignore[no-untyped-call]
    without: GoogleAPICallError = MethodNotAllowed(SAID)  # type: ignore[no-untyped-call]

    assert failure_of_request(unavailable).reason == "unavailable"
    assert failure_of_request(without).reason == "refused"
