"""``callstream callbacks``: callbacks that wait to be sent again, or were given up.

No output has the URLs or the bodies of callbacks: URLs may hold secrets.
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
from callstream_cli.operator.options import Json, Stack, Wide, Yes, confirm
from callstream_cli.operator.output import Column, show_json, show_table
from callstream_cli.operator.picking import WHOLE_ID, pick
from callstream_cli.operator.streams import OfOneTenant, in_words
from callstream_cli.plain_output import print_error, print_line


def list_(
    *,
    tenant_id: OfOneTenant = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="List the callbacks that were given up.")
    ] = False,
    wide: Wide = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """List the callbacks that failed and will be sent again, the oldest first.

    Later callbacks of the same stream wait behind them, and are not listed.

    With --dead, lists the callbacks that were given up. The command receives them to read them,
    which hides them from other readers for a moment.
    """
    queued = ""
    with outputs_of(stack) as outputs:
        if dead:
            views = [_given_up(each) for each in _dead(outputs).look()]
        else:
            table = DynamoTable(output(outputs, "StreamsTableName"))
            views = [_waiting(each) for each in PendingCallbacks(table).all()]
            length = _queue(outputs).length()
            queued = f"In the queue, with callbacks that wait behind others: about {length}."
    of_tenant = [view for view in views if tenant_id in {None, view.tenant_id}]
    otherwise = "No callback was given up." if dead else "No callback waits to be sent again."
    _show(of_tenant, otherwise, wide=wide, as_json=as_json)
    if queued and not as_json:
        print_line(queued)


def resend(
    callback_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="The callback's id, or its first characters; or --all."
        ),
    ] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Resend all callbacks that were given up.")
    ] = False,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Send callbacks again that were given up; those of one stream in their order."""
    if every == (callback_id is not None):
        print_error("give the id of a callback, or --all")
        raise typer.Exit(2)
    if every:
        confirm("Will all callbacks that were given up be sent again?", yes=yes)
    with outputs_of(stack) as outputs:
        dead = _dead(outputs)
        whole = None if callback_id is None else _whole_id(dead, callback_id)
        sent = dead.resend(_queue(outputs), whole)
        if callback_id is not None and not sent:
            raise OperatorError(f"no callback {callback_id!r} was given up")
    _show([_given_up(each) for each in sent], "No callback was given up.", as_json=as_json)


def _whole_id(dead: DeadCallbacks, text: str) -> str:
    """The id of the callback that begins so; whole ids are not looked up."""
    if len(text) >= WHOLE_ID:
        return text
    ids = [each.callback.callback_id for each in dead.look()]
    return pick(text, ids, lambda each: (each,), "callback") or text


def _queue(outputs: Mapping[str, str]) -> SqsCallbackQueue:
    return SqsCallbackQueue(output(outputs, "CallbackQueueUrl"))


def _dead(outputs: Mapping[str, str]) -> DeadCallbacks:
    return DeadCallbacks(output(outputs, "CallbackDeadLetterQueueUrl"))


class _View(BaseModel):
    """A callback, without the data that its tenant may want to keep secret."""

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


def _show(views: Sequence[_View], otherwise: str, *, as_json: bool, wide: bool = False) -> None:
    if as_json:
        show_json(views)
        return
    show_table(
        [
            Column("callback", is_id=True),
            Column("tenant", optional=1),
            Column("surface", optional=2),
            "event",
            Column("relay", is_id=True),
            "attempts",
            Column("reason", is_text=True),
            Column("happened (UTC)", optional=5),
            Column("tried again (UTC)", optional=3),
            Column("given up (UTC)", optional=4),
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
        otherwise=otherwise,
        wide=wide,
    )
