"""What Amazon Transcribe's exceptions mean."""

import pytest

from callstream.adapters.aws.transcribe_failures import failure_of, refusal_of
from callstream.transcription.engine import EngineFailed

STALLED = b'{"Message": "Your request timed out because no new audio was received for 15 seconds."}'
VOCABULARY = b'{"Message": "The requested vocabulary couldn\'t be found."}'


def facts(failed: EngineFailed) -> tuple[str, str]:
    kind = "busy" if failed.is_busy else "permanent" if failed.is_permanent else "passing"
    return failed.reason, kind


@pytest.mark.parametrize(
    ("kind", "payload", "reason", "lasts"),
    [
        ("BadRequestException", STALLED, "no audio for too long", "passing"),
        ("BadRequestException", VOCABULARY, "vocabulary refused", "permanent"),
        ("BadRequestException", b'{"Message": "My card is 4111"}', "bad request", "permanent"),
        ("BadRequestException", b"not JSON \xff", "bad request", "permanent"),
        ("LimitExceededException", b"", "quota exceeded", "busy"),
        ("ThrottlingException", b"", "quota exceeded", "busy"),
        ("InternalFailureException", b"", "internal failure", "passing"),
        ("InternalFailure", b"", "internal failure", "passing"),
        ("ServiceUnavailableException", b"", "unavailable", "passing"),
        ("ConflictException", b"", "conflict", "passing"),
        ("ExpiredTokenException", b"", "credentials expired", "passing"),
        ("UnrecognizedClientException", b"", "credentials refused", "permanent"),
        ("InvalidSignatureException", b"", "signature refused", "permanent"),
        ("AccessDeniedException", b"", "access denied", "permanent"),
        ("My card is 4111", b"", "unknown exception", "passing"),
    ],
)
def test_failure_has_a_reason_of_ours_and_says_whether_to_try_again(
    kind: str, payload: bytes, reason: str, lasts: str
) -> None:
    assert facts(failure_of(kind, payload)) == (reason, lasts)


@pytest.mark.parametrize(
    ("status", "kind", "reason", "lasts"),
    [
        (403, "InvalidSignatureException:http://x/", "signature refused", "permanent"),
        (400, "LimitExceededException", "quota exceeded", "busy"),
        (403, "", "handshake refused: 403", "permanent"),
        (429, "", "quota exceeded", "busy"),
        (503, "", "handshake refused: 503", "passing"),
        (301, "", "handshake refused: 301", "passing"),
    ],
)
def test_refusal_of_the_handshake_is_named_by_its_header_or_by_its_status(
    status: int, kind: str, reason: str, lasts: str
) -> None:
    assert facts(refusal_of(status, {"x-amzn-errortype": kind}, b"")) == (reason, lasts)


def test_refusal_without_headers_is_named_by_its_body_if_that_says_more() -> None:
    refused = refusal_of(400, {"x-amzn-errortype": "BadRequestException"}, VOCABULARY)

    assert facts(refused) == ("vocabulary refused", "permanent")
