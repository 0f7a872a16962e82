"""Relays can be kept from taking the account's concurrency, which calls need."""

from tests.deployment import Deployment

ENGINES = {"Transcriber": "amazon", "Dialogflow": "google"}
OF_RELAYS = {"RelayFunction", "TranscriptionFunction", "DialogflowFunction"}


def reserved(**parameters: str) -> dict[str, int]:
    """How many runs at once each function has for itself and at most, of those with a number."""
    functions = Deployment(**ENGINES, **parameters).of_type("AWS::Serverless::Function")
    return {
        name: int(properties["ReservedConcurrentExecutions"])
        for name, properties in functions.items()
        if "ReservedConcurrentExecutions" in properties
    }


def test_functions_of_relays_have_at_most_the_runs_that_the_operator_allows() -> None:
    assert reserved(RelayConcurrency="200") == dict.fromkeys(OF_RELAYS, 200)


def test_no_concurrency_is_reserved_by_default_because_small_accounts_have_none() -> None:
    assert reserved() == {}
