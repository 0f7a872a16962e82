"""The names of Google's resources."""

from dataclasses import dataclass

import pytest

from callstream.adapters.google.names import Names, conversation_of
from callstream.dialogues.virtual_agent import AgentFailed


@dataclass(frozen=True)
class Place:
    """A stored connection."""

    project_id: str = "calls-1"
    conversation_profile_id: str | None = None
    location: str | None = None
    environment: str | None = None


@pytest.mark.parametrize(
    ("location", "host", "parent"),
    [
        (None, "dialogflow.googleapis.com", "projects/calls-1/locations/global"),
        ("global", "dialogflow.googleapis.com", "projects/calls-1/locations/global"),
        (
            "europe-west1",
            "europe-west1-dialogflow.googleapis.com",
            "projects/calls-1/locations/europe-west1",
        ),
    ],
)
def test_host_and_names_have_the_same_location(
    location: str | None, host: str, parent: str
) -> None:
    names = Names(Place(location=location, conversation_profile_id="p_1"))

    assert (names.host, names.parent) == (host, parent)
    assert names.profile == f"{parent}/conversationProfiles/p_1"
    assert names.session("s").startswith(f"{parent}/agent/")


def test_session_of_an_agent_without_a_profile_is_in_its_environment_or_in_the_draft() -> None:
    parent = "projects/calls-1/locations/global"

    assert Names(Place()).profile is None
    assert Names(Place()).session("s-1") == f"{parent}/agent/sessions/s-1"
    assert (
        Names(Place(environment="prod")).session("s-1")
        == f"{parent}/agent/environments/prod/users/-/sessions/s-1"
    )


def test_conversation_is_what_the_participant_takes_part_in() -> None:
    conversation = "projects/p/locations/global/conversations/c"

    assert conversation_of(f"{conversation}/participants/x") == conversation


@pytest.mark.parametrize(
    "place",
    [
        Place(location="evil.example/"),
        Place(location="us-central1.evil"),
        Place(environment="a/b"),
        Place(conversation_profile_id="a b"),
        Place(project_id="p/locations/x"),
    ],
)
def test_names_are_refused_if_a_part_could_change_the_host_or_the_path(place: Place) -> None:
    with pytest.raises(AgentFailed) as failed:
        Names(place)
    assert (failed.value.reason, failed.value.remedy) == ("bad_connection", "none")
