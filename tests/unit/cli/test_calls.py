"""`callstream calls`, against a mock of AWS."""

from datetime import timedelta

from callstream.calls.call_requests import call_key
from callstream.calls.stream_requests import stream_key
from tests.unit.activity import NOW, Deployment
from tests.unit.cli.commands import ask, ok, refusal, words


def test_calls_list_is_sorted_and_filtered(deployment: Deployment) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("b", "CA2", minutes=1)
    deployment.stream("c", "leg-2", session_id="S1", minutes=2)
    deployment.stream("d", "CA2", minutes=3)
    deployment.stream("e", "CA2", tenant_id="other", minutes=4)
    deployment.stream("f", minutes=5)
    deployment.stream("g", "CA3", minutes=6)
    deployment.streams.disconnect("g", NOW + timedelta(minutes=7))

    def listed(*options: str) -> list[tuple[str, str]]:
        return [(each["tenant_id"], each["call_id"]) for each in ask("calls", "list", *options)]

    # The legs of a session together.
    acme = [("acme", "leg-1"), ("acme", "leg-2"), ("acme", "CA2")]
    assert listed() == [*acme, ("other", "CA2")]
    assert listed("--tenant", "acme") == acme
    assert listed("--all") == [*acme, ("other", "CA2"), ("acme", "CA3")]
    assert ask("calls", "list", "--all")[-1] == {
        "call_id": "CA3",
        "tenant_id": "acme",
        "session_id": None,
        "state": "ended",
        "started_at": "2026-11-21T12:06:00Z",
        "ended_at": "2026-11-21T12:07:00Z",
        "streams": ["g"],
        "open_streams": [],
    }


def test_calls_list_prints_a_table(deployment: Deployment) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("b", "leg-1", session_id="S1")
    deployment.streams.disconnect("b", NOW)

    assert words(ok("calls", "list")) == [
        "call session tenant state started (UTC) ended (UTC) streams open",
        "leg-1 S1 acme active 2026-11-21 12:00:00 - 2 1",
    ]
    assert (
        ok("calls", "list", "--tenant", "nobody") == "No call is live. --all shows ended calls.\n"
    )


def test_calls_show_prints_the_whole_call_as_json(deployment: Deployment) -> None:
    deployment.stream("b", "leg-2", session_id="S1", minutes=1)
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("c", "another")
    deployment.relay("leg-2", "relay-1", name="recorder")

    shown = ask("calls", "show", "leg-2")
    assert {name: shown[name] for name in ("call_id", "session_id", "state")} == {
        "call_id": "leg-2",
        "session_id": "S1",
        "state": "active",
    }
    assert [leg["call_id"] for leg in shown["legs"]] == ["leg-1", "leg-2"]
    assert [stream["stream_id"] for stream in shown["streams"]] == ["a", "b"]
    assert shown["streams"][0] == ask("streams", "show", "a")
    assert shown["relays"] == [
        {
            "relay_id": "relay-1",
            "surface": "telnyx",
            "sink": "websocket",
            "transcription": None,
            "dialogue": None,
            "name": "recorder",
            "track": "both_tracks",
            "state": "requested",
            "error": None,
            "dropped": None,
            "created_at": "2026-11-21T12:00:00Z",
            "updated_at": "2026-11-21T12:00:00Z",
        }
    ]


def test_calls_show_has_the_connection_of_a_dialogue(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")
    deployment.relay("CA1", "r1", sink="dialogflow", dialogue={"connection_id": "app-1"})

    lines = words(ok("calls", "show", "CA1"))
    assert any(each.startswith("r1 telnyx dialogflow app-1 - ") for each in lines)
    assert ask("calls", "show", "CA1")["relays"][0]["dialogue"] == {
        "connection_id": "app-1",
        "analyzes_sentiment": False,
        "partial_replies": False,
    }


def test_calls_show_prints_a_call_without_a_session(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")

    shown = ask("calls", "show", "CA1")
    assert [leg["call_id"] for leg in shown["legs"]] == ["CA1"]
    assert shown["relays"] == []


def test_calls_show_prints_the_call(deployment: Deployment) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("b", "leg-2", session_id="S1", minutes=1)
    deployment.relay("leg-1", "relay-1")

    assert words(ok("calls", "show", "leg-1")) == [
        "call leg-1",
        "tenant acme",
        "session S1",
        "state active",
        "started (UTC) 2026-11-21 12:00:00",
        "ended (UTC) -",
        "",
        "legs",
        "call session tenant state started (UTC) ended (UTC) streams open",
        "leg-1 S1 acme active 2026-11-21 12:00:00 - 1 1",
        "leg-2 S1 acme active 2026-11-21 12:01:00 - 1 1",
        "",
        "streams",
        "stream tenant call state connected (UTC) last seen frames trouble",
        "a acme leg-1 streaming 2026-11-21 12:00:00 - 0 -",
        "b acme leg-2 streaming 2026-11-21 12:01:00 - 0 -",
        "",
        "relays",
        "relay surface sink name track state asked for (UTC) changed dropped error",
        "relay-1 telnyx websocket - both_tracks requested 2026-11-21 12:00:00 12:00:00 0 -",
    ]


def test_calls_show_asks_for_the_tenant_if_several_have_the_call(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")
    deployment.stream("b", "CA1", tenant_id="other")
    deployment.stream("c", "CA2", tenant_id="deleted")

    assert refusal("calls", "show", "CA1") == (
        "several have a call 'CA1': give --tenant, one of acme, other"
    )
    assert ask("calls", "show", "CA1", "--tenant", "other")["tenant_id"] == "other"
    assert refusal("calls", "show", "CA2") == "there is no call 'CA2'"
    assert ask("calls", "show", "CA2", "--tenant", "deleted")["call_id"] == "CA2"
    assert refusal("calls", "show", "CA1", "--tenant", "deleted") == "there is no call 'CA1'"


def test_calls_show_leaves_out_what_has_expired(deployment: Deployment) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.stream("b", "leg-2", session_id="S1")
    deployment.table.delete(stream_key("a"))
    deployment.table.delete(call_key("acme", "leg-2"))

    shown = ask("calls", "show", "leg-1")
    assert ([leg["call_id"] for leg in shown["legs"]], shown["streams"]) == (["leg-1"], [])


def test_calls_show_finds_the_first_leg_of_a_session(deployment: Deployment) -> None:
    deployment.stream("b", "leg-1", session_id="S1", minutes=1)
    deployment.stream("a", "leg-2", session_id="S1")

    assert ask("calls", "show", "S1") == ask("calls", "show", "leg-2")
