"""A call's streams as a relay says them: in order, however late they are handed on."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import Media
from callstream.mixing import Mixing
from callstream.records import Disconnected, Record

BEGAN_MS = 1_795_262_400_000


def frame(number: int) -> Record:
    """Frame `number`, which was sent 20 ms after the one before it."""
    media = Media(number, "inbound", number, number * 20, bytes([number % 256]))
    return Record("s1", "acme", "genagent", "twilio", BEGAN_MS + number * 20, media)


def numbers(events: Sequence[tuple[str, object]]) -> list[int]:
    return [event.sequence for _, event in events if isinstance(event, Media)]


def begun() -> Mixing:
    """Frame 1 has been said."""
    mixing = Mixing()
    mixing.take([frame(1)], 0.0)
    assert numbers(mixing.take([], 1.01)) == [1]
    return mixing


def test_who_hands_on_may_be_late() -> None:
    mixing = begun()

    assert numbers(mixing.take([frame(3)], 2.0)) == []
    assert numbers(mixing.take([], 11.0)) == []
    assert numbers(mixing.take([frame(2), frame(4)], 11.5)) == [2, 3, 4]


def test_what_is_lost_is_waited_for_as_long_as_the_carrier_says_a_second() -> None:
    mixing = begun()
    said = [numbers(mixing.take([frame(number)], 2.0)) for number in range(3, 150)]
    first = next(place for place, found in enumerate(said) if found)

    assert 50 <= first <= 105
    assert [number for found in said for number in found] == list(range(3, 150))


def test_a_carrier_that_falls_silent_after_a_loss_is_not_waited_for_without_end() -> None:
    mixing = begun()
    mixing.take([frame(3)], 2.0)
    deadline = mixing.deadline

    assert deadline is not None
    assert 12 < deadline < 14
    assert numbers(mixing.take([], deadline)) == [3]


def test_the_end_comes_a_moment_after_the_disconnection() -> None:
    mixing = begun()
    over = Record("s1", "acme", "genagent", "twilio", BEGAN_MS + 40, Disconnected(1005, ""))
    mixing.take([over], 2.0)
    deadline = mixing.deadline

    assert deadline is not None
    assert deadline < 3.5
    mixing.take([], deadline)
    assert mixing.over


@given(st.randoms(use_true_random=False))
def test_whatever_comes_in_bursts_is_said_once_and_in_order(random: Random) -> None:
    mixing, now, sent, said = begun(), 2.0, 2, [1]
    late: list[Record] = []
    while sent < 300:
        burst = [frame(number) for number in range(sent, sent + random.randint(1, 20))]
        sent += len(burst)
        # Of each burst, some come with the next one, less than a second behind, and some twice.
        batch = late + burst
        late = random.sample(burst, min(len(burst), 5))
        batch = [record for record in batch if record not in late]
        random.shuffle(batch)
        now += random.uniform(0, 8)
        said += numbers(mixing.take(batch + batch[:3], now))
    said += numbers(mixing.take(late, now + 5))

    assert said == list(range(1, sent))
