"""Ids as operators type them."""

import pytest

from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.lookup import whole_id, whole_stream_id
from callstream_cli.operator.picking import pick
from tests.unit.activity import NOW, Deployment
from tests.unit.cli.commands import ask, refusal


@pytest.mark.parametrize(
    ("text", "found"),
    [("abc", "abc"), ("abcd", "abcd"), ("x", "xyz"), ("q", None), ("", None), ("alias-2", "xyz")],
)
def test_exact_id_wins_over_the_first_characters(text: str, found: str | None) -> None:
    aliases = {"abc": "alias-1", "abcd": None, "xyz": "alias-2"}
    assert pick(text, list(aliases), lambda each: (each, aliases[each]), "thing") == found


def test_ambiguous_characters_list_the_candidates() -> None:
    entries = [f"ab{number}" for number in range(7)]
    with pytest.raises(OperatorError) as caught:
        pick("ab", entries, lambda each: (each,), "thing")
    assert str(caught.value) == (
        "several things have ids that begin with 'ab': ab0, ab1, ab2, ab3, ab4 and 2 more"
    )


def test_stream_is_found_by_first_characters_and_as_the_last(deployment: Deployment) -> None:
    deployment.stream("s-one", "CA1")
    deployment.stream("s-two", "CA2", minutes=1)
    deployment.stream("s-three", "CA3", minutes=2)
    deployment.streams.disconnect("s-three", NOW)

    def shown(text: str) -> str:
        return str(ask("streams", "show", text)["stream_id"])

    assert shown("s-o") == "s-one"
    assert shown("MZ-s-tw") == "s-two"
    # The newest that is live.
    assert shown("last") == "s-two"
    deployment.streams.disconnect("s-one", NOW)
    deployment.streams.disconnect("s-two", NOW)
    assert shown("last") == "s-three"
    assert refusal("streams", "show", "s-t") == (
        "several streams have ids that begin with 's-t': s-three, s-two"
    )
    assert refusal("streams", "show", "x") == "there is no stream 'x'"


def test_call_is_found_by_first_characters_and_as_the_last(deployment: Deployment) -> None:
    deployment.stream("a", "CA1", session_id="session")
    deployment.stream("b", "CA12", minutes=1)
    deployment.stream("c", "CA2", minutes=2, tenant_id="other")

    def shown(*arguments: str) -> str:
        return str(ask("calls", "show", *arguments)["call_id"])

    assert shown("CA1") == "CA1"
    assert shown("sess") == "CA1"
    assert shown("CA2") == shown("last") == "CA2"
    assert shown("last", "--tenant", "acme") == "CA12"
    assert refusal("calls", "show", "CA") == (
        "several calls have ids that begin with 'CA': CA1, CA12, CA2"
    )


def test_ids_for_the_records_are_found_in_the_table(deployment: Deployment) -> None:
    deployment.stream("s-one", "CA1", session_id="session")
    deployment.stream("s-two", "CA2", minutes=1)
    deployment.stream("t-three", minutes=2)
    outputs = deployment.outputs

    assert whole_id(outputs, "ses") == "session"
    assert whole_id(outputs, "CA1") == "CA1"
    assert whole_id(outputs, "t") == whole_id(outputs, "last") == "t-three"
    assert whole_stream_id(outputs, "s-o") == "s-one"
    assert whole_stream_id(outputs, "last") == "t-three"
    # The records may have what the table does not have.
    assert whole_id(outputs, "CA9") == whole_stream_id(outputs, "CA9") == "CA9"
    with pytest.raises(OperatorError, match=r"several streams and calls .* CA1, CA2"):
        whole_id(outputs, "CA")


def test_whole_ids_are_not_looked_up() -> None:
    assert whole_id({}, "CA" + "0" * 32) == "CA" + "0" * 32
    assert whole_stream_id({}, "0" * 36) == "0" * 36
