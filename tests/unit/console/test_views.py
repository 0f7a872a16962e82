"""The views of streams, calls and relays, and how they are found."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from callstream.calls.call_requests import call_key
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import stream_key
from callstream.console.views import (
    Activity,
    CallView,
    RelayView,
    StreamView,
    WholeCall,
)
from callstream.errors import UnreadableItem
from callstream.relays.store import RelayStore
from callstream.transcription.transcripts import TranscriptStore
from tests.unit.activity import NOW, NUMBERS, Deployment
from tests.unit.items import active_call, connected_stream, started_stream

MINUTE = timedelta(minutes=1)
PRIVATE = {
    "attributes",
    "auth_token",
    "client_state",
    "connection_id",
    "from_number",
    "parameters",
    "status_callback",
    "tally",
    "to_number",
    "url",
}


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Deployment()


@pytest.fixture
def activity(deployment: Deployment) -> Activity:
    table = deployment.table
    streams = StreamStore(table, timedelta(0))
    return Activity(streams, RelayStore(table), TranscriptStore(table))


def ids(streams: list[StreamView]) -> list[str]:
    return [stream.stream_id for stream in streams]


def call_ids(calls: list[CallView]) -> list[str]:
    return [call.call_id for call in calls]


def test_stream_view_has_times_in_utc() -> None:
    stream = started_stream(connected_at=1_795_262_400_000, last_seen_at=1_795_262_400_250)
    view = StreamView.of(stream)

    assert view.connected_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert view.last_seen_at == view.connected_at + timedelta(milliseconds=250)
    assert view.closed_at is None


def test_stream_view_of_a_stream_that_has_not_started_knows_no_call() -> None:
    view = StreamView.of(connected_stream())

    assert (view.call_id, view.dialect, view.encoding, view.started_at) == (None,) * 4
    assert (view.tracks, view.frames, view.messages) == ([], {}, 0)


def test_call_view_lists_its_streams_in_order() -> None:
    view = CallView.of(active_call(streams=set("cab"), open_streams=set("ba")))
    assert (view.streams, view.open_streams) == (["a", "b", "c"], ["a", "b"])


@pytest.mark.parametrize("view", [StreamView, CallView, RelayView])
def test_views_have_no_field_for_what_is_private(view: type[StreamView]) -> None:
    assert not PRIVATE & view.model_fields.keys()


def test_views_show_no_numbers_and_no_secrets(deployment: Deployment, activity: Activity) -> None:
    deployment.stream("a", "CA1", session_id="S1")
    deployment.relay("CA1", "relay-1")
    [call] = activity.calls_named("CA1", ["acme"])
    shown = activity.whole(call).model_dump_json()

    assert "relay-1" in shown
    assert not re.search(r"5550|secret", shown)
    # The table does have them.
    assert NUMBERS[0] in str(deployment.table.get(stream_key("a")))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["live"], ["c", "b", "a", "d"]),
        (["all"], ["c", "b", "a", "d", "gone"]),
        (["live", "acme"], ["b", "a", "d"]),
        (["live", None, "CA1"], ["c", "b"]),
        (["all", "acme", "CA1"], ["b", "gone"]),
        (["all", "nobody"], []),
    ],
)
def test_streams_are_those_of_a_tenant_and_call_the_oldest_first(
    deployment: Deployment, activity: Activity, asked: list[Any], expected: list[str]
) -> None:
    deployment.stream("b", "CA1", minutes=1)
    deployment.stream("a", "CA2", minutes=2)
    deployment.stream("c", "CA1", tenant_id="other")
    deployment.stream("d", minutes=3)
    deployment.stream("gone", "CA1", minutes=4)
    deployment.streams.disconnect("gone", NOW)

    assert ids(activity.streams(*asked)) == expected


def test_live_streams_and_calls_take_no_scan(
    deployment: Deployment, activity: Activity, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.stream("a", "CA1")
    monkeypatch.setattr(deployment.table, "scan", None)

    assert ids(activity.streams("live")) == ids(activity.streams_named("MZ-a")) == ["a"]
    assert call_ids(activity.calls("live")) == ["CA1"]


def test_streams_named_takes_our_own_id_before_the_carriers(
    deployment: Deployment, activity: Activity
) -> None:
    deployment.stream("a", "CA1")
    deployment.stream("b", "CA2")
    deployment.change(stream_key("b"), carrier_stream_id="a")

    assert ids(activity.streams_named("a")) == ["a"]


def test_streams_named_takes_live_streams_before_closed_ones(
    deployment: Deployment, activity: Activity
) -> None:
    for name in ("a", "b", "closed"):
        deployment.stream(name, "CA1")
        deployment.change(stream_key(name), carrier_stream_id="MZ")
    deployment.streams.disconnect("closed", NOW)

    assert ids(activity.streams_named("MZ")) == ["a", "b"]
    deployment.streams.disconnect("a", NOW)
    deployment.streams.disconnect("b", NOW)
    assert ids(activity.streams_named("MZ")) == ["a", "b", "closed"]
    assert activity.streams_named("nowhere") == []


def test_calls_keep_the_legs_of_a_session_together(
    deployment: Deployment, activity: Activity
) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("b", "CA2", minutes=1)
    deployment.stream("c", "leg-2", session_id="S1", minutes=2)
    deployment.stream("d", minutes=3)
    deployment.stream("e", "CA3", tenant_id="other", minutes=4)
    deployment.stream("f", "CA4", minutes=5)
    deployment.streams.disconnect("f", NOW + 6 * MINUTE)

    assert call_ids(activity.calls("live")) == ["leg-1", "leg-2", "CA2", "CA3"]
    assert call_ids(activity.calls("all")) == ["leg-1", "leg-2", "CA2", "CA3", "CA4"]
    assert call_ids(activity.calls("live", "other")) == call_ids(activity.calls("all", "other"))
    assert activity.calls("all", "acme")[-1].ended_at == NOW + 6 * MINUTE


def test_calls_named_finds_each_tenants_call_or_the_first_leg_of_its_session(
    deployment: Deployment, activity: Activity
) -> None:
    deployment.stream("a", "CA1")
    deployment.stream("b", "CA1", tenant_id="other")
    deployment.stream("d", "leg-2", session_id="S1", minutes=1)
    deployment.stream("c", "leg-1", session_id="S1")

    found = activity.calls_named("CA1", ["acme", "other", "nobody"])
    assert [(call.tenant_id, call.call_id) for call in found] == [("acme", "CA1"), ("other", "CA1")]
    assert call_ids(activity.calls_named("S1", ["acme"])) == ["leg-1"]
    assert activity.calls_named("CA1", ["nobody"]) == []


def test_whole_call_has_all_legs_their_streams_and_its_own_relays(
    deployment: Deployment, activity: Activity
) -> None:
    deployment.stream("b", "leg-2", session_id="S1", minutes=1)
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.relay("leg-2", "relay-2")
    deployment.relay("leg-2", "relay-1")
    deployment.relay("leg-1", "relay-of-another-leg")
    [call] = activity.calls_named("leg-2", ["acme"])
    whole = activity.whole(call)

    assert isinstance(whole, WholeCall)
    assert whole.call == call
    assert call_ids(whole.legs) == ["leg-1", "leg-2"]
    assert ids(whole.streams) == ["a", "b"]
    assert [relay.relay_id for relay in whole.relays] == ["relay-1", "relay-2"]


def test_whole_call_leaves_out_what_the_table_has_dropped(
    deployment: Deployment, activity: Activity
) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("b", "leg-2", session_id="S1")
    deployment.table.delete(stream_key("a"))
    deployment.table.delete(call_key("acme", "leg-2"))
    [call] = activity.calls_named("leg-1", ["acme"])
    whole = activity.whole(call)

    assert (call_ids(whole.legs), whole.streams) == (["leg-1"], [])


def test_activity_refuses_an_item_of_a_newer_version(
    deployment: Deployment, activity: Activity
) -> None:
    deployment.stream("a", "CA1")
    deployment.change(stream_key("a"), state="of a newer version")

    with pytest.raises(UnreadableItem, match="StartedStream that is stored: state: "):
        activity.streams("all")
