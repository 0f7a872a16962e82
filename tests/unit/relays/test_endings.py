"""The ends of a run."""

from callstream.relays.endings import Ending


def test_an_ending_that_somebody_wanted_precedes_one_that_happened() -> None:
    endings = [Ending.FAILURE, Ending.RESCUE, Ending.COMMAND, Ending.CALL]

    assert min(endings, key=lambda ending: ending.precedence) is Ending.COMMAND
    assert sorted(Ending, key=lambda ending: ending.precedence) == [*Ending]


def test_only_a_run_that_cannot_go_on_needs_a_rescue() -> None:
    assert [ending for ending in Ending if ending.needs_rescue] == [
        Ending.RESCUE,
        Ending.OUT_OF_TIME,
    ]


def test_the_relay_goes_on_after_an_ending_that_is_not_final() -> None:
    assert {ending for ending in Ending if not ending.is_final} == {
        Ending.SUCCESSOR,
        Ending.REPLACEMENT,
        Ending.RESCUE,
        Ending.OUT_OF_TIME,
    }
