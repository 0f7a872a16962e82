"""What the listener sends on a fork, and when."""

import io
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from callstream.audio.formats import AudioFormat
from callstream.audio.packetizer import MP3
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import UnreadableMessage
from callstream_cli.codecs import TrackDecoder
from callstream_cli.listener.answering import Answer, answers
from callstream_cli.listener.behaviour import NONSENSE, Behaviour
from tests.unit.cli.listener.forks import L16, PCMA, start
from tests.unit.cli.tones import EVERY_FORMAT, TONE_HZ, decibels, pitch, tone


class TestAnswers:
    SECOND = bytes(range(200)) * 40

    def test_audio_is_sent_in_pieces_of_20_ms_in_real_time_with_marks_behind_it(self) -> None:
        behaviour = Behaviour(play=self.SECOND, marks=("a", "b"))

        messages = answers(behaviour, "twilio", start()).messages

        played = [message for message in messages if isinstance(message.event, ReturnMedia)]
        assert [message.at for message in played] == [pytest.approx(i * 0.02) for i in range(50)]
        assert b"".join(audio_of(played)) == self.SECOND
        assert {len(piece) for piece in audio_of(played)} == {160}
        assert [message.event for message in messages[-2:]] == [ReturnMark("a"), ReturnMark("b")]
        assert [message.at for message in messages[-2:]] == [played[-1].at] * 2

    @pytest.mark.parametrize(("speed", "last"), [(4.0, 0.245), (0.0, 0.0)])
    def test_audio_may_be_sent_faster(self, speed: float, last: float) -> None:
        messages = answers(Behaviour(play=self.SECOND, speed=speed), "telnyx", start()).messages

        assert messages[-1].at == pytest.approx(last)
        assert b"".join(audio_of(messages)) == self.SECOND

    @pytest.mark.parametrize("speed", [1.0, 0.0])
    def test_clear_ends_the_audio_and_follows_the_marks(self, speed: float) -> None:
        behaviour = Behaviour(play=self.SECOND, speed=speed, marks=("a",), clear_after=0.105)

        messages = answers(behaviour, "twilio", start()).messages

        assert [message.event for message in messages[-2:]] == [ReturnMark("a"), Clear()]
        assert messages[-1].at == 0.105
        assert len(audio_of(messages)) == (6 if speed else 50)
        assert [message.at for message in messages] == sorted(message.at for message in messages)

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_only_signalwire_presses_keys(self, dialect: str) -> None:
        planned = answers(Behaviour(digits="12#"), dialect, start())

        if dialect == "signalwire":
            assert [message.event for message in planned.messages] == [
                ReturnDtmf(key) for key in "12#"
            ]
            assert planned.unsent == []
        else:
            assert planned.messages == []
            assert len(planned.unsent) == 3

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_every_message_is_in_the_forks_dialect(self, dialect: str) -> None:
        behaviour = Behaviour(play=self.SECOND, marks=("a",), clear_after=3.0)

        for message in answers(behaviour, dialect, start()).messages:
            assert DIALECTS[dialect].parse_return(message.text) == message.event
            assert ("ST1" in str(message.text)) == (dialect != "telnyx")

    @pytest.mark.parametrize("format_", [PCMA, L16])
    def test_audio_is_sent_in_the_forks_codec(self, format_: AudioFormat) -> None:
        [*pieces] = audio_of(
            answers(Behaviour(play=self.SECOND), "telnyx", start(format_)).messages
        )

        assert len(pieces) == 50
        assert {len(piece) for piece in pieces} == {640 if format_ is L16 else 160}

    @pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
    def test_recording_is_sent_in_every_codec(self, format_: AudioFormat) -> None:
        recorded = tone(16_000).astype("<i2").tobytes()
        behaviour = Behaviour(play=recorded, play_format=AudioFormat("L16", 16_000, 1))

        messages = answers(behaviour, "telnyx", start(format_)).messages

        assert [message.at for message in messages[:50]] == [
            pytest.approx(number * 0.02) for number in range(50)
        ]
        decoder = TrackDecoder(format_, "big")
        heard = np.concatenate([decoder.decode(payload) for payload in audio_of(messages)])
        assert pitch(heard, format_.audio_rate) == pytest.approx(TONE_HZ, abs=3)
        assert decibels(heard) == pytest.approx(decibels(tone(16_000)), abs=1)

    def test_answers_may_have_another_codec_than_the_fork(self) -> None:
        behaviour = Behaviour(play=self.SECOND, answer_format=L16)

        [*pieces] = audio_of(answers(behaviour, "telnyx", start()).messages)

        assert [len(piece) for piece in pieces] == [640] * 50

    @pytest.mark.parametrize(
        ("speed", "times"), [(1.0, [0.0, 1.1, 2.2]), (2.0, [0.0, 1.1]), (0.0, [0.0])]
    )
    def test_mp3_file_is_sent_in_parts_no_more_than_one_a_second(
        self, speed: float, times: list[float]
    ) -> None:
        mp3 = AudioFormat(MP3, 8000, 1)
        behaviour = Behaviour(play=self.SECOND * 3, speed=speed, answer_format=mp3, marks=("a",))

        messages = answers(behaviour, "telnyx", start()).messages

        assert [message.at for message in messages[:-1]] == pytest.approx(times)
        assert messages[-1].event == ReturnMark("a")
        file = io.BytesIO(b"".join(audio_of(messages)))
        assert soundfile.info(file).duration == pytest.approx(3, abs=0.1)

    def test_inexpressible_event_is_reported_and_the_rest_sent(self) -> None:
        amr_wb = AudioFormat(encoding="AMR-WB", sample_rate=16_000, channels=1)

        planned = answers(Behaviour(play=self.SECOND, marks=("a",)), "telnyx", start(amr_wb))

        assert [message.event for message in planned.messages] == [ReturnMark("a")]
        assert planned.unsent == ["audio in AMR-WB at 16000 Hz cannot be made here"]

    def test_raw_messages_are_sent_unchanged(self) -> None:
        assert answers(Behaviour(messages=("{", b"\0")), "twilio", start()).messages == [
            Answer(0.0, "{"),
            Answer(0.0, b"\0"),
        ]

    @pytest.mark.parametrize("message", NONSENSE)
    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_nonsense_is_unreadable_in_every_dialect(
        self, dialect: str, message: str | bytes
    ) -> None:
        with pytest.raises(UnreadableMessage):
            DIALECTS[dialect].parse_return(message)


def audio_of(messages: Any) -> list[bytes]:
    return [message.event.audio for message in messages if isinstance(message.event, ReturnMedia)]
