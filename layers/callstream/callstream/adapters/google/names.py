"""The names of Google's resources and hosts, made of a tenant's stored connection."""

import re
from typing import Final, Protocol

from callstream.dialogues.virtual_agent import AgentFailed

_GLOBAL: Final = "global"
# A location becomes part of a host name, and all of these a part of a path. The project of a
# company's domain has dots and a colon: `example.com:calls`.
_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_PROJECT: Final = re.compile(r"[a-z0-9.:-]+")


class Connection(Protocol):
    """What is needed of a tenant's stored connection (`callstream.dialogues.connections`)."""

    @property
    def project_id(self) -> str:
        """Google's project, which is the key's."""

    @property
    def conversation_profile_id(self) -> str | None:
        """The profile, without which an ES agent is asked directly."""

    @property
    def location(self) -> str | None:
        """The region; None is `global`."""

    @property
    def environment(self) -> str | None:
        """The environment of an ES agent without a profile; None is its draft."""


class Names:
    """The names of what belongs to a connection.

    Raises:
        AgentFailed: a part of the connection is none that Google's names can have.
    """

    def __init__(self, connection: Connection) -> None:
        self._location = connection.location or _GLOBAL
        self._environment = connection.environment
        self._profile_id = connection.conversation_profile_id
        parts = [self._location, self._environment, self._profile_id]
        if not _PROJECT.fullmatch(connection.project_id) or not all(
            _PART.fullmatch(part) for part in parts if part is not None
        ):
            raise AgentFailed("bad_connection")
        self.parent = f"projects/{connection.project_id}/locations/{self._location}"

    @property
    def host(self) -> str:
        """The host of the location. Google refuses names of another location's host."""
        prefix = "" if self._location == _GLOBAL else f"{self._location}-"
        return f"{prefix}dialogflow.googleapis.com"

    @property
    def profile(self) -> str | None:
        """The conversation profile."""
        return self._profile_id and f"{self.parent}/conversationProfiles/{self._profile_id}"

    def session(self, name: str) -> str:
        """A session of an ES agent without a profile; `name` has at most 36 characters."""
        agent = f"{self.parent}/agent"
        if self._environment is None:
            return f"{agent}/sessions/{name}"
        return f"{agent}/environments/{self._environment}/users/-/sessions/{name}"


def conversation_of(participant: str) -> str:
    """The conversation that a participant takes part in."""
    return participant.partition("/participants/")[0]
