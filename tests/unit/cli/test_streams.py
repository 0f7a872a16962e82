"""`callstream streams`, against a mock of AWS."""

from datetime import timedelta

from callstream.calls.stream_requests import stream_key
from tests.unit.activity import NOW, Deployment
from tests.unit.cli.commands import ask, ok, refusal, words

NOON = "2026-11-21 12:00:00"
COUNTERS = {
    "messages": 0,
    "frames": {},
    "audio_bytes": 0,
    "gaps": 0,
    "skipped": 0,
    "repeats": 0,
    "late": 0,
    "strays": 0,
    "restarts": 0,
    "rejected": {},
}


def test_streams_list_is_sorted_and_filtered(deployment: Deployment) -> None:
    deployment.stream("b", "CA1", minutes=1)
    deployment.stream("a", "CA2", minutes=2)
    deployment.stream("c", "CA1", tenant_id="other")
    deployment.stream("d", minutes=3)
    deployment.stream("gone", "CA1", minutes=4)
    deployment.streams.disconnect("gone", NOW)

    def listed(*options: str) -> list[str]:
        return [stream["stream_id"] for stream in ask("streams", "list", *options)]

    assert listed() == ["c", "b", "a", "d"]
    assert listed("--all") == ["c", "b", "a", "d", "gone"]
    assert listed("--tenant", "acme") == ["b", "a", "d"]
    assert listed("--call", "CA1") == ["c", "b"]
    assert listed("--call", "CA1", "--tenant", "acme") == ["b"]
    assert listed("--all", "--call", "CA1", "--tenant", "acme") == ["b", "gone"]
    assert listed("--tenant", "nobody") == []


def test_streams_list_prints_a_table(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")
    deployment.count("a")
    deployment.stream("b", minutes=1)

    assert words(ok("streams", "list")) == [
        "stream tenant call state connected (UTC) last seen frames trouble",
        f"a acme CA1 streaming {NOON} 12:00:00 3 in 1 gaps, 1 repeats, 1 rejected",
        "b acme - connected 2026-11-21 12:01:00 - 0 -",
    ]


def test_streams_list_of_an_empty_deployment_is_empty(deployment: Deployment) -> None:
    assert deployment.outputs
    assert ask("streams", "list") == []
    assert ok("streams", "list") == "No stream is live. --all shows closed streams.\n"


def test_streams_show_prints_the_whole_stream_as_json(deployment: Deployment) -> None:
    deployment.stream("a", "CA1", session_id="S1")
    deployment.streams.disconnect("a", NOW + timedelta(minutes=1))
    deployment.stream("b", "CA1", minutes=2)
    deployment.count("a")

    assert ask("streams", "show", "a") == {
        "stream_id": "a",
        "tenant_id": "acme",
        "route": "genagent",
        "state": "closed",
        "call_id": "CA1",
        "session_id": "S1",
        "carrier_stream_id": "MZ-a",
        "dialect": "telnyx",
        "tracks": ["inbound"],
        "encoding": "PCMU",
        "sample_rate": 8000,
        "channels": 1,
        "continues": None,
        "continued_by": "b",
        "connected_at": "2026-11-21T12:00:00Z",
        "started_at": "2026-11-21T12:00:00Z",
        "stopped_at": None,
        "closed_at": "2026-11-21T12:01:00Z",
        "kept_alive_at": None,
        "first_seen_at": "2026-11-21T12:00:00.001000Z",
        "last_seen_at": "2026-11-21T12:00:00.006000Z",
        "messages": 6,
        "frames": {"inbound": 3},
        "audio_bytes": 480,
        "gaps": 1,
        "skipped": 3,
        "repeats": 1,
        "late": 0,
        "strays": 0,
        "restarts": 0,
        "rejected": {"not_json": 1},
    }
    assert ask("streams", "show", "b")["continues"] == "a"


def test_streams_show_prints_a_stream_that_has_not_started(deployment: Deployment) -> None:
    deployment.stream("a")

    shown = ask("streams", "show", "a")
    assert shown["state"] == "connected"
    assert {name: shown[name] for name in COUNTERS} == COUNTERS
    assert shown["call_id"] is shown["last_seen_at"] is shown["encoding"] is None


def test_streams_show_prints_the_stream(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")
    deployment.count("a")

    assert words(ok("streams", "show", "a")) == [
        "stream a",
        "tenant acme",
        "route genagent",
        "state streaming",
        "call CA1",
        "session -",
        "carrier's id MZ-a",
        "dialect telnyx",
        "tracks inbound",
        "audio PCMU, 8000 Hz, channels: 1",
        "continues -",
        "continued by -",
        "connected (UTC) 2026-11-21 12:00:00",
        "started (UTC) 2026-11-21 12:00:00",
        "stopped (UTC) -",
        "closed (UTC) -",
        "kept alive (UTC) -",
        "first seen (UTC) 2026-11-21 12:00:00",
        "last seen (UTC) 2026-11-21 12:00:00",
        "messages 6",
        "frames 3 inbound",
        "audio bytes 480",
        "gaps 1, 3 numbers skipped",
        "repeats 1",
        "late 0",
        "strays 0",
        "restarts 0",
        "rejected 1 not_json",
    ]


def test_streams_show_refuses_an_unknown_id(deployment: Deployment) -> None:
    assert deployment.outputs
    assert refusal("streams", "show", "nowhere") == "there is no stream 'nowhere'"


def test_streams_show_finds_a_stream_by_the_carriers_id(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")
    deployment.stream("b", "CA2")
    deployment.streams.disconnect("b", NOW)

    # That of a live one and that of one that is over.
    assert ask("streams", "show", "MZ-a") == ask("streams", "show", "a")
    assert ask("streams", "show", "MZ-b") == ask("streams", "show", "b")
    assert refusal("streams", "show", "MZ-c") == "there is no stream 'MZ-c'"


def test_streams_show_refuses_an_id_that_the_carrier_has_used_twice(deployment: Deployment) -> None:
    for name in ("b", "a"):
        deployment.stream(name, "CA1")
        key = stream_key(name)
        item = deployment.table.get(key)
        assert item is not None
        deployment.table.put(item | {"carrier_stream_id": "MZ"})

    assert refusal("streams", "show", "MZ") == "several streams are 'MZ' to the carrier: a, b"
