from collections.abc import Sequence

import pytest

from callstream.errors import Unavailable
from callstream.warm_up import FRAME_ENVIRONMENTS, KEPT_SECONDS, WarmUp, WarmUps


class Bus:
    """Keeps what is sent, and refuses while it is down."""

    def __init__(self) -> None:
        self.requests: list[list[WarmUp]] = []
        self.is_down = False

    def put(self, warm_ups: Sequence[WarmUp]) -> None:
        self.requests.append([*warm_ups])
        if self.is_down:
            raise Unavailable("events", "ReadTimeoutError")

    def parts(self) -> list[str]:
        """The parts of the last request."""
        return [each.part for each in self.requests[-1]]


class World:
    def __init__(self) -> None:
        self.bus, self.now, self.room = Bus(), 0.0, True
        self.warm_ups = WarmUps(self.bus, lambda: self.now, lambda: self.room)


@pytest.fixture
def world() -> World:
    return World()


def test_call_warms_its_whole_way_in_one_request(world: World) -> None:
    world.warm_ups.expect_call("acme", "inbox", "inbox-123")

    [request] = world.bus.requests
    about = {"tenant_id": "acme", "route": "inbox", "inbox": "inbox-123"}
    assert request == [
        WarmUp("connect"),
        WarmUp("event"),
        *[WarmUp("frame")] * FRAME_ENVIRONMENTS,
        WarmUp("event", about),
    ]
    assert len(request) == 10


def test_client_warms_the_function_that_takes_its_audio_and_its_sink(world: World) -> None:
    world.warm_ups.expect_client("transcription")

    [request] = world.bus.requests
    assert request == [
        WarmUp("connect"),
        *[WarmUp("event")] * FRAME_ENVIRONMENTS,
        WarmUp("relay", {"sink": "transcription"}),
    ]


def test_what_is_warm_is_not_warmed_again(world: World) -> None:
    world.warm_ups.expect_call("acme", "genagent", "")
    world.now = KEPT_SECONDS - 1
    world.warm_ups.expect_call("acme", "genagent", "")
    assert len(world.bus.requests) == 1

    world.now = KEPT_SECONDS
    world.warm_ups.expect_call("acme", "genagent", "")
    assert len(world.bus.requests[1]) == 10


def test_call_of_another_route_only_looks_for_its_agents(world: World) -> None:
    world.warm_ups.expect_call("acme", "genagent", "")
    world.warm_ups.expect_call("acme", "autotranscribe", "")

    assert world.bus.parts() == ["event"]


def test_storm_of_calls_starts_no_environments_beyond_the_deployments_room(world: World) -> None:
    world.room = False
    for number in range(1000):
        world.warm_ups.expect_call("acme", "inbox", f"inbox-{number % 300}")

    # More inboxes than a process remembers; each request is one event.
    assert {tuple(each.part for each in request) for request in world.bus.requests} == {("event",)}


def test_relays_to_one_sink_are_warmed_each(world: World) -> None:
    world.warm_ups.expect_relays(["websocket", "transcription", "websocket"])
    assert world.bus.requests[0] == [
        WarmUp("relay", {"sink": "websocket"}),
        WarmUp("relay", {"sink": "websocket"}),
        WarmUp("relay", {"sink": "transcription"}),
    ]

    # Two are warm already.
    world.warm_ups.expect_relays(["websocket"] * 3)
    assert world.bus.requests[1] == [WarmUp("relay", {"sink": "websocket"})]


def test_nothing_is_sent_for_a_call_without_agents(world: World) -> None:
    world.warm_ups.expect_relays([])

    assert world.bus.requests == []


def test_failure_is_logged_and_not_tried_again_at_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.bus.is_down = True
    world.warm_ups.expect_call("acme", "genagent", "")
    world.warm_ups.expect_call("acme", "genagent", "")

    assert caplog.messages == ["warm-up not sent: events is unavailable: ReadTimeoutError"]
    assert len(world.bus.requests) == 1


def test_memory_of_what_is_warm_is_bounded(world: World) -> None:
    for number in range(300):
        world.warm_ups.expect_call("acme", "inbox", f"inbox-{number}")
    sent = len(world.bus.requests)

    world.warm_ups.expect_call("acme", "inbox", "inbox-0")  # forgotten
    world.warm_ups.expect_call("acme", "inbox", "inbox-299")
    assert len(world.bus.requests) == sent + 1
