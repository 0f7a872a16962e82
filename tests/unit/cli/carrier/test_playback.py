"""The carrier's playback of the audio that it receives."""

import pytest

from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
)
from callstream_cli.carrier.playback import Playback


class TestPlayback:
    SECOND = ReturnMedia(bytes(8000))

    def test_a_mark_comes_back_when_the_audio_before_it_has_been_heard(self) -> None:
        playback = Playback()
        playback.take(self.SECOND, now=10.0)
        playback.take(ReturnMark("a"), now=10.0)
        playback.take(self.SECOND, now=10.5)
        playback.take(ReturnMark("b"), now=10.5)

        assert playback.next_mark_at == 11.0
        assert playback.due(now=10.9) == []
        assert playback.due(now=11.0) == ["a"]
        assert playback.due(now=12.0) == ["b"]
        assert playback.next_mark_at is None

    def test_a_mark_with_nothing_before_it_comes_back_at_once(self) -> None:
        playback = Playback()
        playback.take(ReturnMark("a"), now=5.0)

        assert playback.due(now=5.0) == ["a"]

    def test_clear_gives_back_every_mark_and_forgets_the_audio(self) -> None:
        playback = Playback()
        playback.take(self.SECOND, now=0.0)
        playback.take(ReturnMark("a"), now=0.0)
        playback.take(ReturnMark("b"), now=0.0)
        playback.take(Clear(), now=0.25)

        assert playback.due(now=0.25) == ["a", "b"]
        playback.take(ReturnMark("c"), now=0.25)
        assert playback.due(now=0.25) == ["c"]
        assert (playback.marks, playback.clears, len(playback.received)) == (3, 1, 8000)

    def test_keys_are_noted(self) -> None:
        playback = Playback()
        for digit in "5#":
            playback.take(ReturnDtmf(digit), now=0.0)

        assert playback.digits == "5#"

    @pytest.mark.parametrize(("speed", "seconds"), [(2.0, 0.5), (0.0, 0.0)])
    def test_it_plays_at_the_speed_of_the_call(self, speed: float, seconds: float) -> None:
        playback = Playback(speed)
        playback.take(self.SECOND, now=0.0)
        playback.take(ReturnMark("a"), now=0.0)

        assert playback.next_mark_at == seconds
