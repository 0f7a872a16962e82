"""How `callstream agents add --dialogflow` lets a virtual agent talk on a route's calls."""

from dataclasses import dataclass
from typing import Any

from callstream.dialects.events import Tracks
from callstream.dialogues.connections import AgentConnection
from callstream.dialogues.model import DialogueSettings
from callstream.relays.model import RelaySpec
from callstream_cli.operator.errors import BadValueError, OperatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueOptions:
    """The options that say who talks and how; None and False are options that were not given."""

    track: Tracks | None = None
    connection: str | None = None
    sentiment: bool = False
    partial_replies: bool = False


def check_needs_no_dialogue(options: DialogueOptions) -> None:
    """Check that no option of a dialogue is there. Raises `BadValueError`."""
    if options != DialogueOptions():
        raise BadValueError("--connection, --sentiment, --partial-replies: with --dialogflow")


def dialogue_of(
    options: DialogueOptions, stored: list[AgentConnection], *, is_deployed: bool
) -> RelaySpec:
    """The spec of the relays in which a virtual agent talks.

    Its surface is that of the vendor whose command lets the agent talk, and whose webhooks notify
    of the dialogue.

    Args:
        options: what was asked for.
        stored: the tenant's connections.
        is_deployed: whether the deployment reaches virtual agents.

    Raises:
        OperatorError: the deployment reaches no virtual agents, or the tenant has no such
            connection.
        BadValueError: the tenant has several connections, and none was named; or a track was named
            that no virtual agent hears.
    """
    if options.track not in {None, "inbound_track"}:
        raise BadValueError("--track: Dialogflow hears the inbound_track")
    if not is_deployed:
        raise OperatorError("the deployment is without Dialogflow: set its parameter Dialogflow")
    ids = [each.connection_id for each in stored]
    if not ids:
        raise OperatorError("the tenant has no connection to Dialogflow: connections set")
    if options.connection is None and len(ids) > 1:
        raise BadValueError(f"--connection: one of {', '.join(ids)}")
    connection = options.connection or ids[0]
    if connection not in ids:
        raise OperatorError(f"there is no connection {connection!r}, but {', '.join(ids)}")
    return RelaySpec(
        surface="telnyx",
        sink="dialogflow",
        track="inbound_track",
        dialogue=DialogueSettings(
            connection_id=connection,
            analyzes_sentiment=options.sentiment,
            partial_replies=options.partial_replies,
        ),
    )


def dialogue_settings_of(spec: RelaySpec) -> dict[str, Any] | None:
    """Who talks and how, in the words of the options; None if the agent is no virtual agent."""
    settings = spec.dialogue
    if settings is None:
        return None
    return {
        "connection": settings.connection_id,
        "sentiment": settings.analyzes_sentiment,
        "partial_replies": settings.partial_replies,
    }
