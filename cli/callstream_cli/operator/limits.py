"""``callstream limits``: how many requests a tenant may make, and how much of it may run."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Final

import typer

from callstream.tenants.directory import SURFACES, Limits, Surface, Tenant
from callstream.tenants.running_limits import Kind, usage
from callstream_cli.deployment import administration_of, outputs_of
from callstream_cli.operator.errors import BadValueError, output
from callstream_cli.operator.options import Json, OfSurface, OfTenant, Stack
from callstream_cli.operator.output import show_json, show_table

_NONE: Final = "none"
_DIGITS: Final = 9


def set_(
    tenant_id: OfTenant,
    surface: OfSurface,
    *,
    per_second: Annotated[
        str | None, typer.Option(metavar="N", help="Requests a second; none for no limit.")
    ] = None,
    per_day: Annotated[
        str | None, typer.Option(metavar="N", help="Requests a day (UTC); none for no limit.")
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Set a tenant's limits on a surface. An omitted limit stays as it is."""
    with administration_of(stack) as administration:
        given = {
            name: _limit(text)
            for name, text in (("per_second", per_second), ("per_day", per_day))
            if text is not None
        }
        if not given:
            raise BadValueError("give --per-second, --per-day or both")

        def change(tenant: Tenant) -> Mapping[str, Any]:
            limits = Limits.model_validate(dict(tenant.limits_on(surface)) | given)
            return {"limits": {**tenant.limits, surface: limits}}

        tenant = administration.change_tenant(tenant_id, change)
    _show(tenant, as_json=as_json)


def show(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Show a tenant's limits on every surface."""
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
    _show(tenant, as_json=as_json)


def running(
    tenant_id: OfTenant,
    *,
    open_streams: Annotated[
        str | None, typer.Option(metavar="N", help="Streams of the tenant that are open at once.")
    ] = None,
    active_relays: Annotated[
        str | None, typer.Option(metavar="N", help="Relays of the tenant that run at once.")
    ] = None,
    active_relays_of_call: Annotated[
        str | None, typer.Option(metavar="N", help="Relays of one call that run at once.")
    ] = None,
    relays_of_call: Annotated[
        str | None, typer.Option(metavar="N", help="Relays that one call may ever have.")
    ] = None,
    command_bytes: Annotated[
        str | None, typer.Option(metavar="N", help="Bytes that one command may store.")
    ] = None,
    callbacks_in_flight: Annotated[
        str | None, typer.Option(metavar="N", help="Callbacks that are delivered at once.")
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show how much of a tenant may run, and runs; with options, set the limits first.

    Each limit is a number, or none for no limit. An omitted limit stays as it is.
    """
    options = {
        "open_streams": open_streams,
        "active_relays": active_relays,
        "active_relays_of_call": active_relays_of_call,
        "relays_of_call": relays_of_call,
        "command_bytes": command_bytes,
        "callbacks_in_flight": callbacks_in_flight,
    }
    with outputs_of(stack) as outputs:
        from callstream.adapters.aws.dynamodb import DynamoTable  # noqa: PLC0415 - slow
        from callstream_cli.operator.administration import Administration  # noqa: PLC0415 - slow

        administration = Administration(outputs)
        given = {name: _limit(text) for name, text in options.items() if text is not None}
        if given:
            tenant = administration.change_tenant(
                tenant_id, lambda tenant: {"running": replace(tenant.running, **given)}
            )
        else:
            tenant = administration.tenant(tenant_id)
        counts = usage(DynamoTable(output(outputs, "StreamsTableName")), tenant_id)
    now = {"open_streams": counts[Kind.STREAMS], "active_relays": counts[Kind.RELAYS]}
    limits = asdict(tenant.running)
    if as_json:
        show_json({name: {"limit": limit, "now": now.get(name)} for name, limit in limits.items()})
        return
    show_table(
        ["what", "limit", "now"],
        [
            (name.replace("_", " "), _word(limit), str(now.get(name, "")))
            for name, limit in limits.items()
        ],
        otherwise="",
    )


def effective(tenant: Tenant) -> dict[Surface, Limits]:
    """A tenant's limits on every surface, its own limits, or else the defaults."""
    return {surface: tenant.limits_on(surface) for surface in SURFACES}


def in_words(limits: Limits) -> str:
    """Limits in words."""
    return f"{_word(limits.per_second)} a second, {_word(limits.per_day)} a day"


def _limit(text: str) -> int | None:
    if text == _NONE:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) > 0:
        return int(text)
    raise BadValueError(
        f"{text!r} is not a limit: give {_NONE}, or a whole number from 1 to {10**_DIGITS - 1}"
    )


def _word(limit: int | None) -> str:
    return _NONE if limit is None else str(limit)


def _show(tenant: Tenant, *, as_json: bool) -> None:
    limits = effective(tenant)
    if as_json:
        show_json(limits)
        return
    show_table(
        ["surface", "a second", "a day"],
        [
            (surface, _word(limit.per_second), _word(limit.per_day))
            for surface, limit in limits.items()
        ],
        otherwise="",
    )
