"""The names of Google's resources and hosts, made of a stored connection.

A connection's parts have nothing but letters, digits, `-` and `_`: its own model sees to that.
"""

from typing import Final

from callstream.dialogues.connections import AgentConnection

_GLOBAL: Final = "global"


def host(connection: AgentConnection) -> str:
    """The host of the location. Google refuses names of another location there."""
    prefix = "" if connection.location == _GLOBAL else f"{connection.location}-"
    return f"{prefix}dialogflow.googleapis.com"


def parent(connection: AgentConnection) -> str:
    """The project at the location."""
    return f"projects/{connection.project_id}/locations/{connection.location}"


def profile(connection: AgentConnection) -> str | None:
    """The conversation profile, if there is one."""
    id_ = connection.conversation_profile_id
    return None if id_ is None else f"{parent(connection)}/conversationProfiles/{id_}"


def session(connection: AgentConnection, id_: str) -> str:
    """A session of an agent without a profile; `id_` has at most 36 characters."""
    agent = f"{parent(connection)}/agent"
    if connection.environment is None:
        return f"{agent}/sessions/{id_}"
    return f"{agent}/environments/{connection.environment}/users/-/sessions/{id_}"


def conversation(participant: str) -> str:
    """The conversation that a participant takes part in."""
    return participant.partition("/participants/")[0]
