"""The names of Google's resources, and what must agree in them."""

import re
from typing import Final, NamedTuple

from callstream_cli.dialogflow.refused import invalid

GLOBAL: Final = "global"
_LONGEST_SESSION_ID: Final = 36

_PLACE: Final = r"projects/(?P<project>[^/]+)(?:/locations/(?P<location>[^/]+))?"
_PARENT: Final = re.compile(_PLACE)
_PROFILE: Final = re.compile(rf"{_PLACE}/conversationProfiles/(?P<id>[^/]+)")
_CONVERSATION: Final = re.compile(rf"{_PLACE}/conversations/(?P<id>[^/]+)")
_PARTICIPANT: Final = re.compile(
    rf"(?P<parent>{_PLACE}/conversations/[^/]+)/participants/(?P<id>[^/]+)"
)
_SESSION: Final = re.compile(
    rf"{_PLACE}/agent(?:/environments/(?P<environment>[^/]+)/users/(?P<user>[^/]+))?"
    r"/sessions/(?P<id>[^/]+)"
)
# Conversations that the client names itself.
_OWN_ID: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{2,63}")
_HOST: Final = re.compile(r"(?:(?P<location>[a-z0-9-]+)-)?dialogflow\.googleapis\.com(?::443)?")


class Place(NamedTuple):
    """The project and the region that a name is of."""

    project: str
    location: str

    @property
    def name(self) -> str:
        """The place as a parent's name."""
        return f"projects/{self.project}/locations/{self.location}"


def parent(name: str) -> Place:
    """The place in which a conversation is to be created."""
    return _place(_match(_PARENT, name, "parent", "projects/P/locations/L"))


def profile(name: str) -> tuple[Place, str]:
    """The place and the id of a conversation profile."""
    found = _match(_PROFILE, name, "profile", "projects/P/locations/L/conversationProfiles/ID")
    return _place(found), found["id"]


def conversation(name: str) -> Place:
    """The place of a conversation."""
    wanted = "projects/P/locations/L/conversations/ID"
    return _place(_match(_CONVERSATION, name, "conversation", wanted))


def participant(name: str) -> tuple[Place, str]:
    """The place of a participant, and the name of the conversation."""
    wanted = "projects/P/locations/L/conversations/C/participants/ID"
    found = _match(_PARTICIPANT, name, "participant", wanted)
    return _place(found), found["parent"]


def session(name: str) -> Place:
    """The place of a session of an ES agent."""
    wanted = "projects/P/locations/L/agent/environments/E/users/U/sessions/ID"
    found = _match(_SESSION, name, "session", wanted)
    for what in ("id", "user"):
        if len(found[what] or "") > _LONGEST_SESSION_ID:
            raise invalid(f"the session's {what} has more than {_LONGEST_SESSION_ID} characters")
    return _place(found)


def check_own_id(id_: str) -> None:
    """Check the id that a client gives a conversation."""
    if not _OWN_ID.fullmatch(id_):
        raise invalid("conversation_id must match [a-zA-Z][a-zA-Z0-9_-]*, with 3 to 64 characters")


def check_region(place: Place, location: str | None, host: str) -> None:
    """Check that the region in a name is that of the endpoint.

    Args:
        place: of the name.
        location: the region that the endpoint stands for; None if the host says that, or any.
        host: what the client takes the endpoint's host to be: gRPC's authority.
    """
    called = _HOST.fullmatch(host)
    served = location or (called and (called["location"] or GLOBAL))
    if served and served != place.location:
        raise invalid(
            f"region {place.location} in the resource's name, and the endpoint of {served}"
        )


def check_same(first: Place, second: Place, what: str) -> None:
    """Check that two names are of the same project and region."""
    if first != second:
        raise invalid(f"{what} is of {second.name}, and the request is of {first.name}")


def _match(pattern: re.Pattern[str], name: str, what: str, wanted: str) -> re.Match[str]:
    found = pattern.fullmatch(name)
    if not found:
        raise invalid(f"{name!r} is not the name of a {what}, which is {wanted}")
    return found


def _place(found: re.Match[str]) -> Place:
    return Place(found["project"], found["location"] or GLOBAL)
