"""What an operator means by an id: the id itself, its first characters, or `last`."""

from collections.abc import Collection, Sequence
from typing import Final

from callstream.console.views import Activity, CallView, StreamView
from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.picking import pick

LAST: Final = "last"
"""The newest, wherever the id of a stream or a call is taken."""
ID_HELP: Final = "The first characters of an id are enough; last is the newest."


def find_stream(activity: Activity, text: str) -> StreamView:
    """The stream that an operator means.

    Args:
        activity: the deployment's streams.
        text: the stream's id or the carrier's, the first characters of either, or `last`.

    Raises:
        OperatorError: there is no such stream, or there are several.
    """
    found: Sequence[StreamView] = activity.streams_named(text)
    if not found and text == LAST:
        found = (activity.streams("live") or activity.streams("all"))[-1:]
    if len(found) > 1:
        ids = ", ".join(sorted(stream.stream_id for stream in found))
        raise OperatorError(f"several streams are {text!r} to the carrier: {ids}")
    stream = (
        found[0]
        if found
        else pick(
            text,
            activity.streams("all"),
            lambda each: (each.stream_id, each.carrier_stream_id),
            "stream",
        )
    )
    if stream is None:
        raise OperatorError(f"there is no stream {text!r}")
    return stream


def find_call(activity: Activity, text: str, tenant_ids: Collection[str]) -> CallView:
    """The call that an operator means.

    Args:
        activity: the deployment's calls.
        text: the carrier's id for the call or its session, the first characters of either, or
            `last`.
        tenant_ids: whose calls.

    Raises:
        OperatorError: there is no such call, or there are several.
    """
    found: Sequence[CallView] = activity.calls_named(text, tenant_ids)
    if not found:
        calls = [call for call in activity.calls("all") if call.tenant_id in tenant_ids]
        if text == LAST:
            found = sorted(calls, key=lambda call: call.started_at)[-1:]
        elif call := pick(text, calls, lambda each: (each.call_id, each.session_id), "call"):
            found = [call]
    if not found:
        raise OperatorError(f"there is no call {text!r}")
    if len(found) > 1:
        whose = ", ".join(sorted(call.tenant_id for call in found))
        raise OperatorError(f"several have a call {text!r}: give --tenant, one of {whose}")
    return found[0]
