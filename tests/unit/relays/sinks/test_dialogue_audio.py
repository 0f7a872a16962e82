"""Audio waits in its order, at its places in the call's time, and not without an end."""

from callstream.relays.sinks.call_audio import Stretch
from callstream.relays.sinks.dialogue_audio import (
    BYTES_A_MS,
    MOST_WAITING_MS,
    Piece,
    WaitingAudio,
)


def audio(value: int, length_ms: int) -> bytes:
    return bytes([value]) * (length_ms * BYTES_A_MS)


def taken(waiting: WaitingAudio) -> list[tuple[int, int, int]]:
    """The value, the begin and the end of each piece."""
    pieces = iter(waiting.take, None)
    return [(piece.audio[0], piece.begin_ms, piece.end_ms) for piece in pieces]


def test_audio_is_cut_into_pieces_at_their_places() -> None:
    waiting = WaitingAudio(0)
    for at in range(1000, 1260, 20):
        waiting.put(Stretch(at, audio(1, 20)))
    assert taken(waiting) == [(1, 1000, 1100), (1, 1100, 1200)]
    waiting.complete()
    assert taken(waiting) == [(1, 1200, 1260)]


def test_audio_that_was_heard_before_is_left_out() -> None:
    waiting = WaitingAudio(1050)
    waiting.put(Stretch(0, audio(1, 1000)))
    waiting.put(Stretch(1000, audio(2, 150)))
    assert taken(waiting) == [(2, 1050, 1150)]


def test_late_audio_follows_at_no_earlier_place() -> None:
    waiting = WaitingAudio(0)
    waiting.put(Stretch(0, audio(0, 300)))
    waiting.put(Stretch(100, audio(1, 100)))
    waiting.put(Stretch(300, audio(2, 100)))
    assert taken(waiting)[2:] == [(0, 200, 300), (1, 200, 300), (2, 300, 400)]


def test_audio_that_is_given_back_comes_first_and_in_its_order() -> None:
    waiting = WaitingAudio(0)
    waiting.put(Stretch(0, audio(9, 100)))
    waiting.give_back([Piece(300, audio(3, 100))])
    waiting.give_back([Piece(100, audio(1, 100)), Piece(200, audio(2, 100))])
    assert [value for value, _, _ in taken(waiting)] == [1, 2, 3, 9]


def test_oldest_audio_goes_if_too_much_waits_but_never_what_was_given_back() -> None:
    waiting = WaitingAudio(0)
    waiting.give_back([Piece(100, audio(1, 100))])
    waiting.put(Stretch(100, audio(2, 500)))
    waiting.put(Stretch(600, audio(3, MOST_WAITING_MS)))
    assert waiting.dropped_ms == 500
    assert waiting.waiting_ms == MOST_WAITING_MS
    assert taken(waiting)[:2] == [(1, 0, 100), (3, 600, 700)]
