"""``callstream agents``: what gets the calls of a route automatically, as they start."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from callstream.dialects.events import Tracks
from callstream.relays.agents import Agent
from callstream.relays.model import RelaySpec
from callstream.tenants.directory import ROUTES
from callstream.transcription.model import Redaction
from callstream_cli.deployment import administration_of
from callstream_cli.name_values import name_values
from callstream_cli.operator.agent_dialects import (
    AgentOptions,
    DialectName,
    check,
    check_has_no_url,
    settings_of,
    spec_of,
)
from callstream_cli.operator.agent_dialogue import (
    DialogueOptions,
    check_needs_no_dialogue,
    dialogue_of,
    dialogue_settings_of,
)
from callstream_cli.operator.agent_transcription import (
    Language,
    TranscriptionOptions,
    check_needs_no_transcription,
    transcription_of,
    transcription_settings_of,
)
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.options import Json, OfTenant, Stack, Wide, Yes, confirm
from callstream_cli.operator.output import Column, show_json, show_table
from callstream_cli.operator.standard_input import STANDARD_INPUT, read_line
from callstream_cli.plain_output import print_line


def add(
    tenant_id: OfTenant,
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL]",
            help="The agent's WebSocket; - if its URL shall not be seen here. Not with "
            "--transcribe or --dialogflow.",
        ),
    ] = None,
    *,
    dialect: Annotated[
        DialectName | None, typer.Option(help="Which vendor's messages the agent understands.")
    ] = None,
    route: Annotated[
        str | None,
        typer.Option(help=f"For the streams of ASAPP's URLs: {' or '.join(sorted(ROUTES))}."),
    ] = None,
    inbox: Annotated[
        str | None, typer.Option(help="For the streams of Clerk Chat's URLs for this inbox.")
    ] = None,
    track: Annotated[
        Tracks | None,
        typer.Option(help="Whom the agent hears. By default inbound_track; to transcribe, both."),
    ] = None,
    codec: Annotated[
        Literal["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16"] | None,
        typer.Option(help="The codec that the agent gets and sends. By default the call's own."),
    ] = None,
    sampling_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="And its rate. By default the codec's usual.")
    ] = None,
    fill_silence: Annotated[
        bool, typer.Option("--fill-silence", help="Fill with silence what the carrier leaves out.")
    ] = False,
    legs: Annotated[
        Literal["self", "opposite", "both"] | None,
        typer.Option(help="Which legs of the call hear the agent. By default self."),
    ] = None,
    auth_token: Annotated[
        str | None,
        typer.Option(
            metavar="-",
            help="Show the agent a token: Telnyx's header for it, or SignalWire's Authorization.",
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Something for the agent's start message; may be repeated. NAME=- if its value "
            "shall not be seen here.",
        ),
    ] = None,
    mode: Annotated[
        Literal["rtp", "mp3"] | None,
        typer.Option(help="telnyx: the form of what the agent says. By default rtp."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="not telnyx: the stream's name.")] = None,
    status_callback: Annotated[
        str | None, typer.Option(metavar="URL", help="not telnyx: who is told of the stream.")
    ] = None,
    status_callback_method: Annotated[
        Literal["GET", "POST"] | None, typer.Option(help="not telnyx: and how. By default POST.")
    ] = None,
    transcribe: Annotated[
        bool, typer.Option("--transcribe", help="Transcribe the calls, in place of a WebSocket.")
    ] = False,
    language: Annotated[
        Language | None, typer.Option(help="--transcribe: the language. By default en-US.")
    ] = None,
    redaction: Annotated[
        Redaction | None,
        typer.Option(help="--transcribe: which texts are kept and sent. By default redacted."),
    ] = None,
    word_times: Annotated[
        bool, typer.Option("--word-times", help="--transcribe: with the times of words.")
    ] = False,
    plain_words: Annotated[
        bool,
        typer.Option(
            "--plain-words", help="--transcribe: no punctuation, no capitals, no figures."
        ),
    ] = False,
    speakers: Annotated[
        str | None,
        typer.Option(
            metavar="TRACK=ROLE,…",
            help="--transcribe: who speaks. By default inbound=customer,outbound=agent.",
        ),
    ] = None,
    dialogflow: Annotated[
        bool,
        typer.Option("--dialogflow", help="Let an agent of Dialogflow talk, without a WebSocket."),
    ] = False,
    connection: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="--dialogflow: which stored connection; the only one by default."
        ),
    ] = None,
    sentiment: Annotated[
        bool, typer.Option("--sentiment", help="--dialogflow: rate how the caller feels.")
    ] = False,
    partial_replies: Annotated[
        bool,
        typer.Option(
            "--partial-replies", help="--dialogflow: replies may begin before they are complete."
        ),
    ] = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Have the calls of a route, or of an inbox, forked to an agent as they start.

    With --transcribe, they are transcribed from their beginning: callstream transcript shows what
    is said, and the tenant's webhook for asapp gets every line.

    With --dialogflow, an agent of Google's Dialogflow talks with the caller, over a connection that
    the tenant has stored: connections set.

    What is - is read from standard input, a line each: URL, auth token, parameters, status
    callback, in this order. A terminal is asked for them, without echo.
    """
    with administration_of(stack) as administration:
        if (route is None) == (inbox is None):
            raise BadValueError("give --route or --inbox: whose calls the agent shall get")
        if auth_token not in {None, STANDARD_INPUT}:
            raise BadValueError("--auth-token takes - only: the token is read from standard input")
        administration.tenant(tenant_id)
        asked = TranscriptionOptions(
            track=track,
            language=language,
            redaction=redaction,
            word_times=word_times,
            plain_words=plain_words,
            speakers=speakers,
        )
        options = AgentOptions(
            url=url or "",
            auth_token=auth_token,
            parameters=_parameters(parameter or ()),
            track=track or "inbound_track",
            codec=codec,
            sampling_rate=sampling_rate,
            fill_silence=fill_silence,
            legs=legs,
            mode=mode,
            name=name,
            status_callback=status_callback,
            status_callback_method=status_callback_method,
        )
        talk = DialogueOptions(
            track=track if dialogflow else None,
            connection=connection,
            sentiment=sentiment,
            partial_replies=partial_replies,
        )
        if not transcribe:
            check_needs_no_transcription(asked)
        if not dialogflow:
            check_needs_no_dialogue(talk)
        elif transcribe:
            raise BadValueError("--transcribe and --dialogflow are two agents: add them one by one")
        if transcribe:
            check_has_no_url("--transcribe", dialect, options)
            spec = transcription_of(asked, administration.transcriber)
        elif dialogflow:
            check_has_no_url("--dialogflow", dialect, options)
            spec = dialogue_of(
                talk,
                administration.virtual_agents.all(tenant_id),
                is_deployed=administration.has_dialogflow,
            )
        else:
            spec = _fork(url, dialect, options)
        agent = administration.create_agent(tenant_id, route, inbox, spec)
    if as_json:
        show_json(as_dict(agent))
    else:
        print_line(f"{tenant_id} has the agent {agent.agent_id} on {_place(agent)}.")


def list_(
    tenant_id: OfTenant, *, wide: Wide = False, stack: Stack = None, as_json: Json = False
) -> None:
    """List a tenant's agents. Of URLs only the host is shown; no token, and no parameter."""
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        agents = administration.agents.all(tenant_id)
    if as_json:
        show_json([as_dict(agent) for agent in agents])
        return
    show_table(
        [
            Column("agent", is_id=True),
            "on",
            "dialect",
            "url",
            Column("track", optional=2),
            Column("name", is_text=True, optional=1),
            Column("auth token", optional=3),
            Column("parameters", optional=4),
        ],
        [
            (
                agent.agent_id,
                _place(agent),
                agent.spec.dialect or "-",
                _masked(agent.spec.url) if agent.spec.url else _without_url(agent.spec),
                agent.spec.track,
                agent.spec.name or "-",
                "stored" if agent.spec.handshake_headers else "none",
                str(len(agent.spec.parameters)),
            )
            for agent in agents
        ],
        otherwise=f"{tenant_id} has no agents.",
        wide=wide,
    )


def remove(
    tenant_id: OfTenant,
    agent_id: Annotated[
        str, typer.Argument(metavar="AGENT", help="Its id, as listed, or the first characters.")
    ],
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Give an agent no more calls. Those that it has go on."""
    with administration_of(stack) as administration:
        agent = administration.agent(tenant_id, agent_id)
        confirm(f"Take the agent {agent_id} from {_place(agent)} of {tenant_id}?", yes=yes)
        administration.agents.delete(agent)
    if as_json:
        show_json(as_dict(agent))
    else:
        print_line(f"Took the agent {agent_id} from {_place(agent)} of {tenant_id}.")


def as_dict(agent: Agent) -> dict[str, Any]:
    """An agent as JSON has it: without what may be secret."""
    spec = agent.spec
    return {
        "agent_id": agent.agent_id,
        "tenant_id": agent.tenant_id,
        "route": agent.route,
        "inbox": agent.inbox or None,
        "dialect": spec.dialect,
        "url": _masked(spec.url) if spec.url else None,
        "track": spec.track,
        "name": spec.name,
        "auth_token_stored": bool(spec.handshake_headers),
        "parameters": len(spec.parameters),
        "settings": settings_of(spec) if spec.url else {},
        "transcription": transcription_settings_of(spec),
        "dialogue": dialogue_settings_of(spec),
    }


def _fork(url: str | None, dialect: DialectName | None, options: AgentOptions) -> RelaySpec:
    if url is None or dialect is None:
        raise BadValueError("give the agent's URL and --dialect, or --transcribe, or --dialogflow")
    check(dialect, options)
    return spec_of(dialect, _read(options))


def _place(agent: Agent) -> str:
    return f"the inbox {agent.inbox}" if agent.inbox else agent.route


def _without_url(spec: RelaySpec) -> str:
    if spec.dialogue is not None:
        return f"dialogflow {spec.dialogue.connection_id}"
    return f"transcription {spec.transcription.language}" if spec.transcription else "-"


def _masked(url: str) -> str:
    """Scheme, host and port: the rest of a URL may hold secrets."""
    parts = urlsplit(url)
    rest = "/…" if parts.path.strip("/") or parts.query else "/"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


def _parameters(given: Sequence[str]) -> dict[str, str]:
    try:
        return name_values(given)
    except ValueError as error:
        raise BadValueError(str(error)) from None


def _read(options: AgentOptions) -> AgentOptions:
    """The options with what is read from standard input: once the command line is right."""
    url, auth_token = _line("URL", options.url), _line("auth token", options.auth_token)
    parameters = {
        name: _line(f"parameter {name}", value) for name, value in options.parameters.items()
    }
    callback = _line("status callback", options.status_callback)
    return replace(
        options, url=url, auth_token=auth_token, parameters=parameters, status_callback=callback
    )


def _line[Given: str | None](what: str, given: Given) -> Given | str:
    return read_line(what) if given == STANDARD_INPUT else given
