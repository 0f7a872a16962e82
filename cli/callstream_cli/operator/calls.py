"""``callstream calls``."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from callstream.console.views import CallView, RelayView, Scope, WholeCall
from callstream.tenants.directory import Tenant
from callstream_cli.operator.activity import activity_of
from callstream_cli.operator.lookup import ID_HELP, find_call
from callstream_cli.operator.options import Json, Stack, Wide
from callstream_cli.operator.output import Column, grid, table
from callstream_cli.operator.streams import OfOneTenant, by_name, in_words, rows, summary
from callstream_cli.operator.watching import Read, Watch, show_scene
from callstream_cli.plain_output import visible


def list_(
    *,
    tenant_id: OfOneTenant = None,
    every: Annotated[
        bool, typer.Option("--all", help="Ended ones too, as far as they are kept; slow.")
    ] = False,
    wide: Wide = False,
    watch: Watch = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """List the calls that have live streams, the oldest first; the legs of one call together."""

    def scene(outputs: Mapping[str, str]) -> Read:
        activity = activity_of(outputs)
        scope: Scope = "all" if every else "live"
        none = "No call was kept." if every else "No call is live. --all shows ended calls."
        return lambda: _Calls(activity.calls(scope, tenant_id), none=none, wide=wide)

    show_scene(stack, scene, watch=watch, as_json=as_json)


def show(
    call_id: Annotated[
        str,
        typer.Argument(
            metavar="CALL",
            help=f"The carrier's id for it, or for the session of its legs. {ID_HELP}",
        ),
    ],
    *,
    tenant_id: Annotated[
        str | None,
        typer.Option("--tenant", metavar="TENANT", help="Whose; needed if it is deleted."),
    ] = None,
    wide: Wide = False,
    watch: Watch = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show a call: its legs, the streams of all of them, and its relays."""

    def scene(outputs: Mapping[str, str]) -> Read:
        activity = activity_of(outputs)
        of_tenants = tenant_ids(outputs) if tenant_id is None else [tenant_id]
        found = find_call(activity, call_id, of_tenants)
        return lambda: _OneCall(
            activity.whole(find_call(activity, found.call_id, [found.tenant_id])), wide=wide
        )

    show_scene(stack, scene, watch=watch, as_json=as_json)


def tenant_ids(outputs: Mapping[str, str]) -> list[str]:
    """The ids of all tenants of the deployment whose stack has these outputs."""
    from callstream_cli.operator.administration import Administration  # noqa: PLC0415 - slow

    directory = Administration(outputs).directory
    return [entry.tenant_id for entry in directory.entries() if isinstance(entry, Tenant)]


def _rows(calls: Iterable[CallView], *, otherwise: str, wide: bool) -> RenderableType:
    return table(
        [
            Column("call", is_id=True),
            Column("session", is_id=True, optional=3),
            Column("tenant", optional=1),
            "state",
            "started (UTC)",
            Column("ended (UTC)", optional=2),
            "streams",
            "open",
        ],
        [
            (
                call.call_id,
                call.session_id or "-",
                call.tenant_id,
                call.state,
                in_words(call.started_at),
                in_words(call.ended_at),
                str(len(call.streams)),
                str(len(call.open_streams)),
            )
            for call in calls
        ],
        otherwise=otherwise,
        wide=wide,
    )


@dataclass(frozen=True, slots=True)
class _Calls:
    calls: list[CallView]
    none: str
    wide: bool

    def as_json(self) -> Any:  # noqa: ANN401 - any value that JSON has
        return [call.model_dump(mode="json") for call in self.calls]

    def picture(self) -> RenderableType:
        return _rows(self.calls, otherwise=self.none, wide=self.wide)

    def line(self) -> str:
        states = Counter[str](call.state for call in self.calls)
        streams = sum(len(call.open_streams) for call in self.calls)
        return f"calls {by_name(states)}; open streams {streams}"


@dataclass(frozen=True, slots=True)
class _OneCall:
    whole: WholeCall
    wide: bool

    def as_json(self) -> Any:  # noqa: ANN401 - any value that JSON has
        whole = self.whole.model_dump(mode="json")
        return whole.pop("call") | whole

    def picture(self) -> RenderableType:
        call = self.whole.call
        parts: list[RenderableType] = [
            grid(
                [
                    ("call", call.call_id),
                    ("tenant", call.tenant_id),
                    ("session", call.session_id or "-"),
                    ("state", call.state),
                    ("started (UTC)", in_words(call.started_at)),
                    ("ended (UTC)", in_words(call.ended_at)),
                    *([("lines said", self._lines())] if self.whole.lines else []),
                ]
            )
        ]
        if len(self.whole.legs) > 1:
            parts += [_title("legs"), _rows(self.whole.legs, otherwise="none", wide=self.wide)]
        parts += [_title("streams"), rows(self.whole.streams, wide=self.wide)]
        parts += [_title("relays"), self._relays()]
        return Group(*parts)

    def line(self) -> str:
        relays = Counter[str](relay.state for relay in self.whole.relays)
        about = f"{self.whole.call.call_id} {self.whole.call.state}"
        return f"{about}; {summary(self.whole.streams)}; relays {by_name(relays)}"

    def _lines(self) -> str:
        """The lines of each speaker: `12 customer, 9 agent`."""
        speakers = {
            track: role
            for relay in self.whole.relays
            if relay.transcription is not None
            for track, role in relay.transcription.speakers.items()
        }
        lines = self.whole.lines.items()
        return by_name({str(speakers.get(track, track)): count for track, count in lines})

    def _relays(self) -> RenderableType:
        return table(
            [
                Column("relay", is_id=True),
                "surface",
                Column("sink", is_text=True),
                Column("name", is_text=True, optional=2),
                Column("track", optional=1),
                "state",
                Column("asked for (UTC)", optional=4),
                Column("changed", optional=3),
                "dropped",
                Column("error", is_text=True),
            ],
            [
                (
                    relay.relay_id,
                    relay.surface,
                    _sink(relay),
                    relay.name or "-",
                    relay.track,
                    relay.state,
                    in_words(relay.created_at),
                    f"{relay.updated_at:%H:%M:%S}",
                    str(relay.dropped or 0),
                    relay.error or "-",
                )
                for relay in self.whole.relays
            ],
            otherwise="none",
            wide=self.wide,
        )


def _sink(relay: RelayView) -> str:
    """Where the audio goes: `transcription en-US`, `dialogflow` and the id of the connection."""
    if relay.transcription is not None:
        return f"{relay.sink} {relay.transcription.language}"
    return f"{relay.sink} {relay.dialogue.connection_id}" if relay.dialogue else relay.sink


def _title(text: str) -> Text:
    return Text(f"\n{visible(text)}", style="bold")
