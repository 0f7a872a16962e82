"""The carrier's playback of the audio that it receives."""

import pytest

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
)
from callstream_cli.carrier.playback import Playback


class TestPlayback:
    SECOND = ReturnMedia(bytes(8000))

    def test_mark_comes_back_when_the_audio_before_it_has_been_played(self) -> None:
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

    @pytest.mark.parametrize(
        ("format_", "messages"),
        [
            (AudioFormat("L16", 16_000, 1), [bytes(16_000)] * 2),
            (AudioFormat("G722", 8000, 1), [bytes(4000)] * 2),
            # 50 packets of 20 ms, as their first byte says.
            (AudioFormat("OPUS", 16_000, 1), [b"\x08" + bytes(size) for size in range(50)]),
        ],
    )
    def test_audio_of_every_codec_is_played_in_its_own_time(
        self, format_: AudioFormat, messages: list[bytes]
    ) -> None:
        playback = Playback(format_=format_)
        for message in messages:
            playback.take(ReturnMedia(message), now=10.0)
        playback.take(ReturnMark("a"), now=10.0)

        assert playback.next_mark_at == pytest.approx(11.0)

    def test_mark_without_audio_before_it_comes_back_at_once(self) -> None:
        playback = Playback()
        playback.take(ReturnMark("a"), now=5.0)

        assert playback.due(now=5.0) == ["a"]

    def test_clear_returns_every_mark_and_drops_the_audio(self) -> None:
        playback = Playback()
        playback.take(self.SECOND, now=0.0)
        playback.take(ReturnMark("a"), now=0.0)
        playback.take(ReturnMark("b"), now=0.0)
        playback.take(Clear(), now=0.25)

        assert playback.due(now=0.25) == ["a", "b"]
        playback.take(ReturnMark("c"), now=0.25)
        assert playback.due(now=0.25) == ["c"]
        assert (playback.marks, playback.clears, len(playback.received)) == (3, 1, 8000)

    def test_pressed_keys_are_recorded(self) -> None:
        playback = Playback()
        for digit in "5#":
            playback.take(ReturnDtmf(digit), now=0.0)

        assert playback.digits == "5#"

    @pytest.mark.parametrize(("speed", "seconds"), [(2.0, 0.5), (0.0, 0.0)])
    def test_playback_has_the_speed_of_the_call(self, speed: float, seconds: float) -> None:
        playback = Playback(speed)
        playback.take(self.SECOND, now=0.0)
        playback.take(ReturnMark("a"), now=0.0)

        assert playback.next_mark_at == seconds
