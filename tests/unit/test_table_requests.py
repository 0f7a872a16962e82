"""The update request and the retry loop that all stores use."""

import pytest

from callstream.errors import ConditionFailed, IllegalTransition, Unavailable
from callstream.table_requests import optimistically, set_request

KEY = {"pk": "STREAM#MZ1", "sk": "STREAM"}


def test_set_request_writes_each_value_under_its_own_name() -> None:
    assert set_request(KEY, {"state": "stopped", "stopped_at": 5}, "attribute_exists(pk)") == {
        "Key": KEY,
        "UpdateExpression": "SET #state = :state, #stopped_at = :stopped_at",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {"#state": "state", "#stopped_at": "stopped_at"},
        "ExpressionAttributeValues": {":state": "stopped", ":stopped_at": 5},
    }


def test_set_request_names_the_attributes_and_arguments_of_its_condition() -> None:
    request = set_request(
        KEY, {"late": 1}, "#state = :before AND #run = :run", {"before": "a", "run": "b"}
    )

    assert request["ExpressionAttributeNames"] == {
        "#late": "late",
        "#state": "state",
        "#run": "run",
    }
    assert request["ExpressionAttributeValues"] == {":late": 1, ":before": "a", ":run": "b"}


def test_set_request_removes_attributes_after_it_has_set_others() -> None:
    request = set_request(KEY, {"late": 1}, "attribute_exists(pk)", remove=["live", "checkpoint"])

    assert request["UpdateExpression"] == "SET #late = :late REMOVE live, checkpoint"


class Contended:
    """An attempt that another writer comes between, so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.attempts = 0

    def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise ConditionFailed
        return "written"


def test_optimistically_returns_what_the_first_successful_attempt_returns() -> None:
    attempt = Contended(failures=2)

    assert optimistically(attempt, tries=3) == "written"
    assert attempt.attempts == 3


def test_optimistically_gives_up_as_contended_after_its_tries() -> None:
    attempt = Contended(failures=3)

    with pytest.raises(Unavailable) as raised:
        optimistically(attempt, tries=3)

    assert (raised.value.service, raised.value.code) == ("dynamodb", "Contended")
    assert attempt.attempts == 3


def test_optimistically_passes_on_every_other_error_at_once() -> None:
    def attempt() -> None:
        raise IllegalTransition("closed", "stop")

    with pytest.raises(IllegalTransition):
        optimistically(attempt, tries=3)
