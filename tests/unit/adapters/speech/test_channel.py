"""One channel's audio, with a scripted detector and decoder."""

from array import array

import pytest

from callstream.adapters.speech.channel import Channel, Spoken
from callstream.adapters.speech.moonshine import Segment

RATE = 8_000
# Silence around a segment that the decoder gets.
AROUND = 500


class Script:
    """Finds segments as scripted, in seconds of the channel; decodes a segment to its loudness.

    A segment is noticed half a second after its beginning, and its end 0.1 s late.
    """

    def __init__(self, *segments: tuple[float, float], goes_on_at: float = 0.0) -> None:
        self._segments = [*segments]
        self._goes_on_at = goes_on_at
        self._time = 0.0
        self.pieces: list[int] = []
        self.starts: list[float] = []
        self.decoded: list[list[int]] = []

    def start(self) -> None:
        # As the channel starts the detector again with what is still kept.
        self._time = 0.0
        self.starts.append(sum(self.pieces) / RATE)

    def add(self, samples: array[float], rate: int) -> None:
        assert rate == RATE
        self.pieces.append(len(samples))
        self._time += len(samples) / RATE

    def segments(self) -> list[Segment]:
        found: list[Segment] = []
        while self._segments and self._segments[0][0] + 0.5 <= self._time:
            start, end = self._segments[0]
            if found and self._time < self._goes_on_at:
                break
            if end + 0.1 > self._time:
                return [*found, Segment(start, self._time, is_over=False)]
            found.append(Segment(*self._segments.pop(0), is_over=True))
        return found

    def stop(self) -> list[Segment]:
        return [Segment(start, min(end, self._time), is_over=True) for start, end in self._segments]

    def text(self, samples: array[float], rate: int) -> str:
        assert rate == RATE
        self.decoded.append([round(sample * 32_768) for sample in samples[:: RATE // 1000]])
        return "words"


def ramp(seconds: float) -> bytes:
    """Audio whose samples are their times in milliseconds."""
    return array("h", [at * 1000 // RATE for at in range(round(seconds * RATE))]).tobytes()


def spoken(script: Script, audio: bytes, piece_ms: int = 100) -> list[Spoken]:
    channel = Channel(script, script)
    size = piece_ms * RATE // 1000 * 2
    found = [
        each for at in range(0, len(audio), size) for each in channel.add(audio[at : at + size])
    ]
    return [*found, *channel.finish()]


def test_segment_is_decoded_with_half_a_second_before_it_and_silence_after_it() -> None:
    script = Script((2, 3))

    assert spoken(script, ramp(4)) == [Spoken(2_000, 3_000, "words")]
    assert script.decoded == [[*range(1_500, 3_000), *[0] * AROUND]]


def test_segment_has_silence_before_it_where_there_is_no_audio() -> None:
    script = Script((0.2, 1))
    spoken(script, ramp(2))

    assert script.decoded == [[*[0] * 300, *range(1_000), *[0] * AROUND]]


def test_segment_is_not_decoded_with_the_end_of_the_segment_before() -> None:
    script = Script((1, 2), (2.2, 3))
    spoken(script, ramp(4))

    assert script.decoded[1] == [*[0] * 300, *range(2_000, 3_000), *[0] * AROUND]


def pausing(seconds: float, pause: float) -> bytes:
    """Loud audio, less so for 80 ms from ``pause`` seconds on."""
    samples = array("h", [9_000]) * round(seconds * RATE)
    first = round(pause * RATE)
    samples[first : first + 640] = array("h", [900]) * 640
    return samples.tobytes()


@pytest.mark.parametrize("goes_on_at", [16.1, 16.2])
def test_segment_that_is_too_long_is_cut_where_it_is_quietest_and_nothing_is_decoded_twice(
    goes_on_at: float,
) -> None:
    # The detector cuts after 15 s; it reports what goes on at the same time, or a moment later.
    script = Script((1, 16), (15.5, 20), goes_on_at=goes_on_at)

    assert spoken(script, pausing(22, 14.3)) == [
        Spoken(1_000, 14_340, "words"),
        Spoken(14_340, 20_000, "words"),
    ]
    assert script.decoded[1][AROUND:-AROUND] == [900] * 40 + [9_000] * 5_620


def test_long_segment_after_which_nothing_is_said_is_not_cut() -> None:
    script = Script((1, 16.2))

    assert spoken(script, pausing(20, 14.3)) == [Spoken(1_000, 16_200, "words")]


def test_long_segment_at_the_end_of_the_audio_is_not_lost() -> None:
    script = Script((1, 16.2))

    assert spoken(script, pausing(16.3, 14.3)) == [Spoken(1_000, 16_200, "words")]


@pytest.mark.parametrize("piece_ms", [1, 20, 100, 250, 1_000])
def test_detector_gets_pieces_of_100_ms_however_the_audio_comes(piece_ms: int) -> None:
    script = Script((1, 2))

    assert spoken(script, ramp(3), piece_ms) == [Spoken(1_000, 2_000, "words")]
    assert script.pieces[:-1] == [800] * 30


def test_finish_gives_what_is_being_said_up_to_the_end_of_the_audio() -> None:
    script = Script((1, 9))

    assert spoken(script, ramp(2.05)) == [Spoken(1_000, 2_050, "words")]
    assert script.decoded == [[*range(500, 2_050), *[0] * AROUND]]
    # The silence after the end, by which the detector notices a last short word.
    assert script.pieces[-1] == 400 + 4_800


def test_segments_that_end_at_the_same_time_keep_their_times() -> None:
    assert spoken(Script((1, 2.38), (2.39, 3)), ramp(2.45)) == [
        Spoken(1_000, 2_380, "words"),
        Spoken(2_390, 2_450, "words"),
    ]


def test_remainder_of_a_segment_that_has_no_room_for_a_word_is_dropped() -> None:
    assert spoken(Script((1, 1.2)), ramp(3)) == []


def test_segment_without_words_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script((1, 2))
    monkeypatch.setattr(script, "text", lambda *_: "")

    assert spoken(script, ramp(3)) == []


def test_settled_time_follows_the_audio_waits_for_an_open_segment_and_then_is_its_end() -> None:
    script = Script((2, 3))
    channel = Channel(script, script)
    settled = []
    for at in range(50):
        channel.add(ramp(5)[at * 1_600 : (at + 1) * 1_600])
        settled.append(channel.settled_ms)

    assert settled == sorted(settled)
    assert (settled[0], settled[19], settled[24]) == (0, 2_000 - 1_100, 2_500 - 1_000)
    assert (settled[29], settled[30]) == (1_500, 3_000)
    assert settled[49] == 5_000 - 1_100


def test_detector_starts_again_in_quiet_after_a_minute_with_the_last_moments() -> None:
    script = Script((1, 2))
    channel = Channel(script, script)
    for _ in range(62):
        channel.add(bytes(RATE * 2))
    script._segments = [(1.5, 2.5)]  # since the last start
    found = channel.add(bytes(RATE * 2))

    assert script.starts == [0, 60.1]
    # The detector gets 1.1 s again: its time begins at 59.0 s.
    assert script.pieces[601] == 8_800
    assert found == [Spoken(60_500, 61_500, "words")]


def test_detector_does_not_start_again_while_somebody_speaks_or_soon_after() -> None:
    script = Script((50, 61), (62, 64))
    channel = Channel(script, script)
    for _ in range(68):
        channel.add(bytes(RATE * 2))

    assert script.starts[1:] == [66.1]


def test_audio_that_is_done_is_forgotten() -> None:
    script = Script((1, 2))
    channel = Channel(script, script)
    for _ in range(100):
        channel.add(bytes(RATE * 2))

        assert len(channel._audio) <= 3.5 * RATE * 2
