"""The keys that wait for an agent."""

from callstream.relays.sinks.dialogue_keys import MOST_KEYS, MOST_WAITING, PressedKeys


def test_keys_that_wait_are_bounded_and_what_is_left_out_does_not_count_as_received() -> None:
    keys = PressedKeys(None, 0)

    taken = [keys.press("7", at, 0.0) for at in range(1, MOST_WAITING + 3)]

    assert taken == [True] * MOST_WAITING + [False, False]
    assert keys.received_at == MOST_WAITING
    given = keys.take(0.0, is_final=True)
    assert given is not None
    assert given.until == MOST_KEYS
