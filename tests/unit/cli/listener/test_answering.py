"""What the listener sends on a fork, and when."""

from typing import Any

import pytest

from callstream.audio.formats import AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import UnreadableMessage
from callstream_cli.listener.answering import Answer, answers
from callstream_cli.listener.behaviour import NONSENSE, Behaviour
from tests.unit.cli.listener.forks import L16, PCMA, start


class TestTalk:
    SECOND = bytes(range(200)) * 40

    def test_audio_goes_out_in_pieces_of_20_ms_in_real_time_and_marks_behind_it(self) -> None:
        behaviour = Behaviour(play=self.SECOND, marks=("a", "b"))

        lines = answers(behaviour, "twilio", start()).messages

        played = [line for line in lines if isinstance(line.event, ReturnMedia)]
        assert [line.at for line in played] == [pytest.approx(i * 0.02) for i in range(50)]
        assert b"".join(audio_of(played)) == self.SECOND
        assert {len(piece) for piece in audio_of(played)} == {160}
        assert [line.event for line in lines[-2:]] == [ReturnMark("a"), ReturnMark("b")]
        assert [line.at for line in lines[-2:]] == [played[-1].at] * 2

    @pytest.mark.parametrize(("speed", "last"), [(4.0, 0.245), (0.0, 0.0)])
    def test_it_may_go_out_faster(self, speed: float, last: float) -> None:
        lines = answers(Behaviour(play=self.SECOND, speed=speed), "telnyx", start()).messages

        assert lines[-1].at == pytest.approx(last)
        assert b"".join(audio_of(lines)) == self.SECOND

    @pytest.mark.parametrize("speed", [1.0, 0.0])
    def test_a_clear_ends_the_playing_and_comes_after_the_marks(self, speed: float) -> None:
        behaviour = Behaviour(play=self.SECOND, speed=speed, marks=("a",), clear_after=0.105)

        lines = answers(behaviour, "twilio", start()).messages

        assert [line.event for line in lines[-2:]] == [ReturnMark("a"), Clear()]
        assert lines[-1].at == 0.105
        assert len(audio_of(lines)) == (6 if speed else 50)
        assert [line.at for line in lines] == sorted(line.at for line in lines)

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_only_signalwire_can_be_told_to_press_keys(self, dialect: str) -> None:
        said = answers(Behaviour(digits="12#"), dialect, start())

        if dialect == "signalwire":
            assert [line.event for line in said.messages] == [ReturnDtmf(key) for key in "12#"]
            assert said.unsent == []
        else:
            assert said.messages == []
            assert len(said.unsent) == 3

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_every_word_is_the_dialects_own(self, dialect: str) -> None:
        behaviour = Behaviour(play=self.SECOND, marks=("a",), clear_after=3.0)

        for line in answers(behaviour, dialect, start()).messages:
            assert DIALECTS[dialect].parse_return(line.text) == line.event
            assert ("ST1" in str(line.text)) == (dialect != "telnyx")

    @pytest.mark.parametrize("format_", [PCMA, L16])
    def test_it_speaks_the_forks_codec(self, format_: AudioFormat) -> None:
        [*pieces] = audio_of(
            answers(Behaviour(play=self.SECOND), "telnyx", start(format_)).messages
        )

        assert len(pieces) == 50
        assert {len(piece) for piece in pieces} == {640 if format_ is L16 else 160}

    def test_what_cannot_be_said_is_told_and_the_rest_said(self) -> None:
        g722 = AudioFormat(encoding="G722", sample_rate=8000, channels=1)

        said = answers(Behaviour(play=self.SECOND, marks=("a",)), "telnyx", start(g722))

        assert [line.event for line in said.messages] == [ReturnMark("a")]
        assert said.unsent == ["audio in G722 cannot be made here"]

    def test_messages_go_out_as_they_are(self) -> None:
        assert answers(Behaviour(messages=("{", b"\0")), "twilio", start()).messages == [
            Answer(0.0, "{"),
            Answer(0.0, b"\0"),
        ]

    @pytest.mark.parametrize("message", NONSENSE)
    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_nonsense_is_nonsense_to_everybody(self, dialect: str, message: str | bytes) -> None:
        with pytest.raises(UnreadableMessage):
            DIALECTS[dialect].parse_return(message)


def audio_of(lines: Any) -> list[bytes]:
    return [line.event.audio for line in lines if isinstance(line.event, ReturnMedia)]
