"""Rounds of a sweep: every thing gets its step, whatever happens to others or whose they are."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from callstream.errors import Unavailable
from callstream.rounds import Allowance, Position, Round, Rounds, in_turn, run_kinds

THINGS = {"acme": {name: name.upper() for name in "abcde"}}
UNLIMITED = Allowance(lambda: 1)


class Step(StrEnum):
    LEAVE = "leave"
    CLOSE = "close"


class Positions:
    """A table that keeps positions of rounds, and fails if it is down."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.down = False

    def get(self, key: Mapping[str, Any]) -> Any:
        assert key["sk"] == "SWEEP"
        return self.items.get(key["pk"])

    def update(self, request: Mapping[str, Any]) -> None:
        if self.down:
            raise Unavailable("dynamodb", "Down")
        [position] = request["ExpressionAttributeValues"].values()
        self.items[request["Key"]["pk"]] = {"position": position}


class Sweep:
    """Rounds that have time for so many steps each."""

    def __init__(self, noun: str = "stream") -> None:
        self.table = Positions()
        self.rounds = Rounds[str](noun, self.table)  # type: ignore[arg-type]  # only what is used
        self.taken: list[str] = []

    def run(
        self,
        things: Mapping[str, Mapping[str, str]] = THINGS,
        steps: int = 1_000_000,
        given: Mapping[str, Step | Exception | None] | None = None,
    ) -> dict[Step, int]:
        left = iter(range(steps, -1, -1))

        def take_step(key: str) -> Step | None:
            self.taken.append(key)
            step = (given or {}).get(key, Step.LEAVE)
            if isinstance(step, Exception):
                raise step
            return step

        allowance = Allowance(lambda: next(left))
        start = self.rounds.position()
        return self.rounds.run(things, take_step, allowance, start=start, read_to=())


def test_rounds_count_the_steps() -> None:
    taken = {"A": Step.CLOSE, "C": Step.CLOSE, "D": None, "E": None}

    assert Sweep().run(given=taken) == {Step.CLOSE: 2, Step.LEAVE: 1}


def test_rounds_over_nothing_do_nothing() -> None:
    sweep = Sweep()

    assert sweep.run({}, steps=0) == {}
    assert not sweep.table.items


def test_rounds_log_an_error_and_go_on(caplog: pytest.LogCaptureFixture) -> None:
    down = Unavailable("dynamodb", "Down")

    assert Sweep("relay").run(given={"A": down, "D": down}) == {Step.LEAVE: 3}
    logged = [(r.message, r.relay_id) for r in caplog.records]  # type: ignore[attr-defined]
    message = "relay not swept: dynamodb is unavailable: Down"
    assert sorted(logged) == [(message, "a"), (message, "d")]


def test_rounds_do_not_hide_a_defect_and_do_not_stop_there() -> None:
    sweep = Sweep()

    with pytest.raises(KeyError, match="first"):
        sweep.run(given={"B": KeyError("first"), "D": KeyError("second")})
    assert sweep.taken == [*"ABCDE"]


def test_rounds_end_when_their_time_is_up(caplog: pytest.LogCaptureFixture) -> None:
    assert Sweep().run(steps=2) == {Step.LEAVE: 2}
    assert caplog.messages == ["no time for 3 of 5 streams"]


def test_rounds_begin_where_the_last_round_stopped() -> None:
    """Else the same things would be left out of every round that is too short."""
    sweep = Sweep()
    for _ in range(5):
        sweep.run(steps=2)
    sweep.run()

    assert "".join(sweep.taken) == "ABCDEABCDE" + "ABCDE"
    assert sweep.rounds.position() == Position()


def test_rounds_take_tenants_in_turn() -> None:
    things = {"evil": dict.fromkeys("abc", ""), "good": {"d": ""}, "zebra": dict.fromkeys("ef", "")}

    order = "".join(thing_id for _, thing_id in in_turn(things, Position()))
    assert order == "adebfc"
    start = Position((), "evil", {"evil": "a", "zebra": "f", "gone": "g"})
    assert "".join(thing_id for _, thing_id in in_turn(things, start)) == "debfca"


def test_rounds_do_not_let_the_thousands_of_a_tenant_hold_back_the_one_of_another() -> None:
    """With time for a tenth of `evil`'s relays, which stay; `zebra`'s dies in each round."""
    sweep = Sweep("relay")
    evil = {f"e{number:04}": "evil" for number in range(6_000)}
    for minute in range(3):
        sweep.run({"evil": evil, "zebra": {f"z{minute}": "zebra"}}, steps=600)

    assert Counter(sweep.taken) == {"evil": 3 * 599, "zebra": 3}
    assert sweep.rounds.position() == Position((), "evil", {"evil": "e1796"})


def test_rounds_give_each_of_many_tenants_a_turn_before_a_second() -> None:
    sweep = Sweep()
    things = {f"t{tenant}": dict.fromkeys("ab", f"t{tenant}") for tenant in range(6)}
    for _ in range(3):
        sweep.run(things, steps=4)

    assert Counter(sweep.taken) == dict.fromkeys(things, 2)


def test_rounds_go_on_without_a_position(caplog: pytest.LogCaptureFixture) -> None:
    sweep = Sweep()
    sweep.table.down = True
    assert sweep.run(steps=2) == {Step.LEAVE: 2}
    assert "position of the sweep not kept" in caplog.text

    sweep.table.items["SWEEP#stream"] = {"position": {"read_to": "of another version"}}
    assert sweep.rounds.position() == Position()


def test_rounds_keep_positions_that_fit_an_item() -> None:
    sweep = Sweep()
    things = {f"t{tenant}": dict.fromkeys("ab", "") for tenant in range(1_200)}
    sweep.run(things, steps=1_200)

    assert len(sweep.rounds.position().done_to) == 1_000


def test_kinds_of_work_have_their_share_of_the_time_whatever_the_others_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 40.0
    shares: list[float] = []

    def run(allowance: Allowance, takes: float, error: Exception | None = None) -> dict[Step, int]:
        nonlocal now
        shares.append(allowance.left())
        now -= takes
        if error is not None:
            raise error
        return {Step.CLOSE: len(shares)}

    kinds: dict[str, Round] = {
        "slow": lambda allowance: run(allowance, allowance.left()),
        "down": lambda allowance: run(allowance, 1, Unavailable("dynamodb", "Down")),
        "broken": lambda allowance: run(allowance, 1, KeyError("second")),
        "quick": lambda allowance: run(allowance, 1),
    }
    with pytest.raises(Unavailable, match="Down"):
        run_kinds(kinds, Allowance(lambda: now))
    assert shares == pytest.approx([10, 10, 14.5, 28])
    assert caplog.messages == ["no round of down", "no round of broken"]

    del kinds["down"], kinds["broken"]
    assert run_kinds(kinds, Allowance(lambda: now)) == {"slow": {"close": 5}, "quick": {"close": 6}}


def test_allowance_shares_what_is_left() -> None:
    now = 40.0
    allowance = Allowance(lambda: now)
    relays = allowance.share(1 / 2)
    assert relays.left() == 20
    now = 25.0
    assert (relays.left(), relays.share(1 / 2).left()) == (5, 2.5)
    now = 20.0
    assert relays.is_up
    assert not allowance.is_up
