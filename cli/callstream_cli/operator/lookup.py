"""What an operator means by an id: the id itself, its first characters, or `last`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from callstream.console.views import Activity, CallView, StreamView
from callstream_cli.operator.activity import activity_of
from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.picking import WHOLE_ID, pick

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


def whole_id(outputs: Mapping[str, str], text: str) -> str:
    """The id that an operator means, of a stream or a call, to look for it in the records.

    Args:
        outputs: the outputs of the deployment's stack.
        text: an id of ours or the carrier's of a stream, call or session, the first characters of
            the id, or `last`.

    Returns:
        The whole id, of the newest call for `last`; `text` if no stream in the table has such an
        id: the records may have it.

    Raises:
        OperatorError: there are several such ids.
    """
    if len(text) >= WHOLE_ID:
        return text
    streams = activity_of(outputs).streams("all")
    ids = {
        id_
        for each in streams
        for id_ in (each.stream_id, each.carrier_stream_id, each.call_id, each.session_id)
        if id_ is not None
    }
    if text == LAST and streams and text not in ids:
        return streams[-1].call_id or streams[-1].stream_id
    return pick(text, ids, lambda each: (each,), "streams and call") or text


def whole_stream_id(outputs: Mapping[str, str], text: str) -> str:
    """As `whole_id`, but of streams alone, by our ids."""
    if len(text) >= WHOLE_ID:
        return text
    ids = [stream.stream_id for stream in activity_of(outputs).streams("all")]
    if text == LAST and ids and text not in ids:
        return ids[-1]
    return pick(text, ids, lambda each: (each,), "stream") or text
