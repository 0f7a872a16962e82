"""Which codes of AWS mean throttling."""

import pytest

from callstream.adapters.aws._refusals import refusal
from callstream.errors import Throttled, Unavailable


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ProvisionedThroughputExceededException", Throttled),
        ("LimitExceededException", Throttled),
        ("ThrottlingException", Throttled),
        ("KMSThrottlingException", Throttled),
        ("InternalFailure", Unavailable),
        ("ServiceUnavailable", Unavailable),
        ("AccessDeniedException", Unavailable),
        ("TransactionConflictException", Unavailable),
    ],
)
def test_refusal_has_the_kind_of_its_code(code: str, kind: type[Unavailable]) -> None:
    error = refusal("kinesis", code)

    assert type(error) is kind
    assert (error.service, error.code) == ("kinesis", code)
