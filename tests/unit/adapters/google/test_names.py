"""The names of Google's resources."""

import pytest

from callstream.adapters.google import names
from callstream.dialogues.connections import AgentConnection

PLACE = AgentConnection(key_version="1", tenant_id="acme", connection_id="1", project_id="calls-1")


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "dialogflow.googleapis.com"),
        ("europe-west1", "europe-west1-dialogflow.googleapis.com"),
    ],
)
def test_host_and_names_have_the_same_location(location: str, host: str) -> None:
    place = PLACE.model_copy(update={"location": location, "conversation_profile_id": "p_1"})
    parent = f"projects/calls-1/locations/{location}"

    assert names.host(place) == host
    assert names.parent(place) == parent
    assert names.profile(place) == f"{parent}/conversationProfiles/p_1"
    assert names.session(place, "s").startswith(f"{parent}/agent/")


def test_session_of_an_agent_without_a_profile_is_in_its_environment_or_in_the_draft() -> None:
    parent = "projects/calls-1/locations/global"
    in_environment = PLACE.model_copy(update={"environment": "prod"})

    assert names.profile(PLACE) is None
    assert names.session(PLACE, "s-1") == f"{parent}/agent/sessions/s-1"
    assert (
        names.session(in_environment, "s-1")
        == f"{parent}/agent/environments/prod/users/-/sessions/s-1"
    )


def test_conversation_is_the_one_that_the_participant_takes_part_in() -> None:
    conversation = "projects/p/locations/global/conversations/c"

    assert names.conversation(f"{conversation}/participants/x") == conversation
