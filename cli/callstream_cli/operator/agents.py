"""``callstream agents``: who gets the calls of a route by themselves, and may answer."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel

from callstream.dialects.events import Tracks
from callstream.errors import Invalid
from callstream.relays.agents import Agent
from callstream.relays.model import RelaySpec, ReturnAudio
from callstream.surfaces import bodies, signalwire, signalwire_models, telnyx, telnyx_models
from callstream.tenants.directory import ROUTES
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.options import Json, OfTenant, Stack, Yes, confirm
from callstream_cli.operator.output import show_json, show_table
from callstream_cli.operator.standard_input import STANDARD_INPUT, read_line

Dialect = Literal["telnyx", "signalwire"]


def add(
    tenant_id: OfTenant,
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="The agent's WebSocket; - if its URL shall not be seen here."
        ),
    ],
    *,
    dialect: Annotated[
        Dialect, typer.Option(help="Which vendor's messages the agent understands.")
    ],
    route: Annotated[
        str | None,
        typer.Option(help=f"For the streams of ASAPP's URLs: {' or '.join(sorted(ROUTES))}."),
    ] = None,
    inbox: Annotated[
        str | None, typer.Option(help="For the streams of Clerk Chat's URLs for this inbox.")
    ] = None,
    track: Annotated[Tracks, typer.Option(help="Whom the agent hears.")] = "inbound_track",
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
    codec: Annotated[
        telnyx_models.Codec | None,
        typer.Option(help="telnyx: its codec. By default that of the call."),
    ] = None,
    sampling_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="telnyx: and its rate. By default the call's.")
    ] = None,
    legs: Annotated[
        Literal["self", "opposite", "both"] | None,
        typer.Option(help="telnyx: which legs of the call hear it. By default self."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="signalwire: the stream's name.")] = None,
    status_callback: Annotated[
        str | None, typer.Option(metavar="URL", help="signalwire: who is told of the stream.")
    ] = None,
    status_callback_method: Annotated[
        Literal["GET", "POST"] | None, typer.Option(help="signalwire: and how. By default POST.")
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Have the calls of a route, or of an inbox, forked to an agent as they start.

    What is - is read from standard input, a line each: URL, auth token, parameters, in this order.
    A terminal is asked for them, without echo.
    """
    with administration_of(stack) as administration:
        if (route is None) == (inbox is None):
            raise BadValueError("give --route or --inbox: whose calls the agent shall get")
        if auth_token not in {None, STANDARD_INPUT}:
            raise BadValueError("--auth-token takes - only: the token is read from standard input")
        administration.tenant(tenant_id)
        common = {
            "url": read_line("URL") if url == STANDARD_INPUT else url,
            "auth_token": None if auth_token is None else read_line("auth token"),
            "track": track,
            "parameters": _parameters(parameter or ()),
        }
        of_telnyx = {
            "--mode": mode,
            "--codec": codec,
            "--sampling-rate": sampling_rate,
            "--legs": legs,
        }
        of_signalwire = {
            "--name": name,
            "--status-callback": status_callback,
            "--status-callback-method": status_callback_method,
        }
        if dialect == "telnyx":
            _must_be_left_out(of_signalwire, "signalwire")
            spec = _telnyx(common, of_telnyx)
        else:
            _must_be_left_out(of_telnyx, "telnyx")
            spec = _signalwire(common, of_signalwire)
        agent = administration.create_agent(tenant_id, route, inbox, spec)
    if as_json:
        show_json(as_dict(agent))
    else:
        typer.echo(f"{tenant_id} has the agent {agent.agent_id} on {_place(agent)}.")


def list_(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """List a tenant's agents. Of URLs only the host is shown; no token, and no parameter."""
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        agents = administration.agents.all(tenant_id)
    if as_json:
        show_json([as_dict(agent) for agent in agents])
        return
    show_table(
        ["agent", "on", "dialect", "url", "track", "name", "auth token", "parameters"],
        [
            (
                agent.agent_id,
                _place(agent),
                agent.spec.surface,
                _masked(agent.spec.url),
                agent.spec.track,
                agent.spec.name or "-",
                "stored" if agent.spec.handshake_headers else "none",
                str(len(agent.spec.parameters)),
            )
            for agent in agents
        ],
        otherwise=f"{tenant_id} has no agents.",
    )


def remove(
    tenant_id: OfTenant,
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="Its id, as listed.")],
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
        typer.echo(f"Took the agent {agent_id} from {_place(agent)} of {tenant_id}.")


def as_dict(agent: Agent) -> dict[str, Any]:
    """An agent as JSON has it: without what may be secret."""
    spec = agent.spec
    return {
        "agent_id": agent.agent_id,
        "tenant_id": agent.tenant_id,
        "route": agent.route,
        "inbox": agent.inbox or None,
        "dialect": spec.surface,
        "url": _masked(spec.url),
        "track": spec.track,
        "name": spec.name,
        "auth_token_stored": bool(spec.handshake_headers),
        "parameters": len(spec.parameters),
        "settings": _settings(spec),
    }


def _place(agent: Agent) -> str:
    return f"the inbox {agent.inbox}" if agent.inbox else agent.route


def _masked(url: str | None) -> str:
    """Scheme, host and port: the rest of a URL may hold secrets."""
    parts = urlsplit(url or "")
    rest = "/…" if parts.path.strip("/") or parts.query else "/"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


def _must_be_left_out(options: Mapping[str, object], dialect: Dialect) -> None:
    for option, value in options.items():
        if value is not None:
            raise BadValueError(f"{option} is for --dialect {dialect} alone")


def _telnyx(common: Mapping[str, Any], options: Mapping[str, object]) -> RelaySpec:
    """What `streaming_start` would ask for, but that the way back works if nothing is said."""
    names = {
        "--mode": "stream_bidirectional_mode",
        "--codec": "stream_bidirectional_codec",
        "--sampling-rate": "stream_bidirectional_sampling_rate",
        "--legs": "stream_bidirectional_target_legs",
    }
    given = {names[option]: value for option, value in options.items() if value is not None}
    fields = {
        "stream_url": common["url"],
        "stream_track": common["track"],
        "stream_auth_token": common["auth_token"],
        "custom_parameters": [
            {"name": each, "value": value} for each, value in common["parameters"].items()
        ],
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_target_legs": "self",
    }
    spec = telnyx.spec_of(_checked(telnyx_models.StreamingStart, fields | given, strict=True))
    if spec.return_audio == telnyx.MP3_FILES:
        return spec
    # By default the call's own, and not that of the command.
    audio = ReturnAudio.model_validate(
        {"encoding": options["--codec"], "sample_rate": options["--sampling-rate"]}
    )
    return spec.model_copy(update={"return_audio": audio})


def _settings(spec: RelaySpec) -> dict[str, Any]:
    """The audio that an agent is asked for, in the words of Telnyx's `streaming_start`."""
    if spec.surface != "telnyx":
        return {}
    audio = spec.return_audio or ReturnAudio()
    has_files = audio == telnyx.MP3_FILES
    settings = {
        "stream_codec": spec.codec or "default",
        "stream_bidirectional_mode": "mp3" if has_files else "rtp",
        "stream_bidirectional_codec": None if has_files else audio.encoding,
        "stream_bidirectional_sampling_rate": audio.sample_rate,
        "stream_bidirectional_target_legs": spec.target_legs,
        **spec.recorded,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _signalwire(common: Mapping[str, Any], options: Mapping[str, object]) -> RelaySpec:
    """What `Create a Stream` would ask for."""
    fields = {
        "Url": common["url"],
        "Track": common["track"],
        "AuthorizationBearerToken": common["auth_token"],
        "Name": options["--name"],
        "StatusCallback": options["--status-callback"],
        "StatusCallbackMethod": options["--status-callback-method"],
    }
    for number, (name, value) in enumerate(common["parameters"].items(), 1):
        fields |= {f"Parameter{number}.Name": name, f"Parameter{number}.Value": value}
    form = {name: value for name, value in fields.items() if value is not None}
    return signalwire.spec_of(_checked(signalwire_models.CreateStreamBody, form, strict=False))


def _checked[Body: BaseModel](
    model: type[Body], fields: Mapping[str, Any], *, strict: bool
) -> Body:
    """The body of a command. Raises `BadValueError`, which says nothing of the values."""
    try:
        return bodies.validate(model, dict(fields), strict=strict)
    except Invalid as invalid:
        issue = invalid.issues[0]
        where = ".".join(map(str, issue.location))
        raise BadValueError(f"{where}: {issue.message}" if where else issue.message) from None


def _parameters(given: Sequence[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise BadValueError("--parameter takes NAME=VALUE")
        if name in parameters:
            raise BadValueError(f"the parameter {name} is there twice")
        parameters[name] = value
    # In a second round, so that nothing is asked for a wrong command line.
    return {
        name: read_line(f"parameter {name}") if value == STANDARD_INPUT else value
        for name, value in parameters.items()
    }
