"""``callstream callbacks``: what waits to be told to tenants, and what was given up.

Nothing here shows where callbacks go or what they say: addresses may hold secrets.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from msgspec import structs
from pydantic import BaseModel

from callstream.adapters.aws.callback_queues import DeadCallback, DeadCallbacks, SqsCallbackQueue
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.callbacks.model import Event
from callstream.callbacks.pending import PendingCallbacks, Retry
from callstream.console.views import Time
from callstream.tenants.directory import Surface
from callstream_cli.deployment import outputs_of
from callstream_cli.operator.errors import OperatorError, output
from callstream_cli.operator.options import Json, Stack, Yes, confirm
from callstream_cli.operator.output import show_json, show_table
from callstream_cli.operator.streams import OfOneTenant, in_words


def list_(
    *,
    tenant_id: OfOneTenant = None,
    dead: Annotated[bool, typer.Option("--dead", help="Those that were given up.")] = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """List the callbacks that were not taken and will be tried again, the oldest first.

    Those behind them, of the same stream, wait without being shown.

    With --dead: those that were given up. To look at these, the command receives them, and hides
    them from others for that moment.
    """
    queued = ""
    with outputs_of(stack) as outputs:
        if dead:
            views = [_given_up(each) for each in _dead(outputs).look()]
        else:
            table = DynamoTable(output(outputs, "StreamsTableName"))
            views = [_waiting(each) for each in PendingCallbacks(table).all()]
            length = _queue(outputs).length()
            queued = f"In the queue, with those that wait behind others: about {length}."
    _show([view for view in views if tenant_id in {None, view.tenant_id}], as_json=as_json)
    if queued and not as_json:
        typer.echo(queued)


def resend(
    callback_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The callback; or give --all.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Deliver what was given up once more, those of one stream in their order."""
    if every == (callback_id is not None):
        typer.echo("callstream: give the id of a callback, or --all", err=True)
        raise typer.Exit(2)
    if every:
        confirm("Will all callbacks that were given up be sent again?", yes=yes)
    with outputs_of(stack) as outputs:
        sent = _dead(outputs).resend(_queue(outputs), callback_id)
        if callback_id is not None and not sent:
            raise OperatorError(f"no callback {callback_id!r} was given up")
    _show([_given_up(each) for each in sent], as_json=as_json)


def _queue(outputs: Mapping[str, str]) -> SqsCallbackQueue:
    return SqsCallbackQueue(output(outputs, "CallbackQueueUrl"))


def _dead(outputs: Mapping[str, str]) -> DeadCallbacks:
    return DeadCallbacks(output(outputs, "CallbackDeadLetterQueueUrl"))


class _View(BaseModel):
    """A callback, without what its tenant may want to keep secret."""

    callback_id: str
    tenant_id: str
    surface: Surface
    event: Event
    relay_id: str
    call_id: str
    attempts: int
    reason: str
    occurred_at: Time
    again_at: Time | None = None
    given_up_at: Time | None = None


def _waiting(retry: Retry) -> _View:
    return _View.model_validate(structs.asdict(retry))


def _given_up(dead: DeadCallback) -> _View:
    callback = dead.callback
    return _View(
        callback_id=callback.callback_id,
        tenant_id=callback.tenant_id,
        surface=callback.surface,
        event=callback.event,
        relay_id=callback.relay.relay_id,
        call_id=callback.relay.call_id,
        attempts=dead.attempts,
        reason=dead.reason,
        occurred_at=callback.happened,
        given_up_at=dead.given_up_at,
    )


def _show(views: Sequence[_View], *, as_json: bool) -> None:
    if as_json:
        show_json(views)
        return
    show_table(
        [
            "callback",
            "tenant",
            "surface",
            "event",
            "relay",
            "attempts",
            "reason",
            "happened (UTC)",
            "tried again (UTC)",
            "given up (UTC)",
        ],
        [
            (
                view.callback_id,
                view.tenant_id,
                view.surface,
                view.event,
                view.relay_id,
                str(view.attempts),
                view.reason,
                in_words(view.occurred_at),
                in_words(view.again_at),
                in_words(view.given_up_at),
            )
            for view in views
        ],
        otherwise="There are no such callbacks.",
    )
