"""Every codec, at every rate, converted to every other: the sound is the same before and after."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from av import AudioCodecContext, AudioFrame
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.codecs.opus import OpusEncoder
from callstream.audio.conversion import UnusableAudio, can_convert, converter
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packets import seconds
from tests.template import ROOT

Wave = np.ndarray[Any, np.dtype[np.float64]]

ORDER: ByteOrder = sys.byteorder
PITCH, LOUD = 700, 8000
FRAMES = 500
AMR_WB = AudioFormat("AMR-WB", 16_000, 1)
MADE = [
    AudioFormat("PCMU", 8000, 1),
    AudioFormat("PCMA", 8000, 1),
    *(AudioFormat("L16", rate, 1) for rate in (8000, 16_000, 22_050, 24_000, 48_000)),
    AudioFormat("G722", 8000, 1),
    AudioFormat("OPUS", 16_000, 1),
]
PAIRS = [(source, target) for source in (*MADE, AMR_WB) for target in MADE]
SPEECH_SECONDS = 3
# In samples: two seconds of silence, and then the words of the caller that speech.awb has too.
SPEECH_BEGINS = 15_640


def name(format_: object) -> str:
    return f"{format_.encoding}-{format_.sample_rate}" if isinstance(format_, AudioFormat) else ""


in_pairs = pytest.mark.parametrize(("source", "target"), PAIRS, ids=name)


def linear(rate: int) -> AudioFormat:
    return AudioFormat("L16", rate, 1)


def own_rate(format_: AudioFormat) -> int:
    """The rate at which a format loses nothing."""
    return 48_000 if format_.encoding == "OPUS" else format_.audio_rate


def convert(payloads: Sequence[bytes], source: AudioFormat, target: AudioFormat) -> list[bytes]:
    made = converter(source, target, ORDER)
    return [each for payload in payloads for each in made.convert(payload)]


def frames(wave: Wave, rate: int) -> list[bytes]:
    audio, size = wave.round().astype(np.int16).tobytes(), rate // 50 * 2
    return [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]


def samples(payloads: Sequence[bytes], format_: AudioFormat, rate: int) -> Wave:
    audio = b"".join(convert(payloads, format_, linear(rate)))
    return np.frombuffer(audio, np.int16).astype(np.float64)


def tone(rate: int, count: int) -> Wave:
    return np.asarray(LOUD * np.sin(2 * np.pi * PITCH * np.arange(count) / rate), np.float64)


@lru_cache
def toned(format_: AudioFormat) -> list[bytes]:
    """The tone in frames of 20 ms."""
    if format_ == AMR_WB:
        return amr_wb_payloads("tone.awb")
    rate = own_rate(format_)
    return convert(frames(tone(rate, rate * FRAMES // 50), rate), linear(rate), format_)


def amr_wb_payloads(file: str) -> list[bytes]:
    """A file at 12.65 kbit/s as octet-aligned payloads; none of our libraries can make one."""
    stored = (Path(__file__).parent / file).read_bytes().removeprefix(b"#!AMR-WB\n")
    return [b"\xf0" + stored[at : at + 33] for at in range(0, len(stored), 33)]


@lru_cache
def speech(rate: int) -> Wave:
    recording, own = soundfile.read(ROOT / "cli/callstream_cli/assets/conversation.wav")
    words = recording[SPEECH_BEGINS : SPEECH_BEGINS + own * SPEECH_SECONDS, 0]
    spectrum = np.fft.rfft(32_767 * words)
    spectrum[3200 * SPEECH_SECONDS :] = 0
    return np.asarray(soxr.resample(np.fft.irfft(spectrum), own, rate, "VHQ"), np.float64)


@lru_cache
def spoken(format_: AudioFormat) -> list[bytes]:
    """Three seconds of speech in frames of 20 ms."""
    if format_ == AMR_WB:
        return amr_wb_payloads("speech.awb")
    rate = own_rate(format_)
    return convert(frames(speech(rate), rate), linear(rate), format_)


def in_db(power: float) -> float:
    return float(10 * np.log10(power))


def without_its_tone(wave: Wave, rate: int) -> tuple[float, Wave]:
    """The level of the tone in dB, and what else is in a wave."""
    angles = 2 * np.pi * PITCH * np.arange(len(wave)) / rate
    parts = np.stack([np.sin(angles), np.cos(angles)], 1)
    found = np.linalg.lstsq(parts, wave)[0]
    return in_db(float(found @ found) / LOUD**2), np.asarray(wave - parts @ found)


@in_pairs
def test_tone_keeps_pitch_and_level_without_gaps_and_with_its_exact_length(
    source: AudioFormat, target: AudioFormat
) -> None:
    payloads = toned(source)
    made = convert(payloads, source, target)

    assert len(made) == len(payloads)
    assert {seconds(each, target) for each in made} == {0.020} or name(target) == "L16-22050"
    assert sum(seconds(each, target) for each in made) == pytest.approx(len(payloads) / 50)
    rate = own_rate(target)
    heard = samples(made, target, rate)[rate // 2 : -rate // 10]
    level, others = without_its_tone(heard, rate)
    # FFmpeg's decoder of AMR-WB is quiet where sounds do not change. Speech is not.
    assert (-3 if source == AMR_WB else -1) < level < 1
    # Mu-law has 38 dB, and twice as much noise after A-law.
    codecs = {source.encoding, target.encoding}
    floor = 12 if "AMR-WB" in codecs else 28 if "OPUS" in codecs else 36
    assert in_db(np.mean(heard**2) / np.mean(others**2)) > floor
    whole = heard[: len(heard) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50)
    levels = np.mean(whole**2, axis=1) / np.mean(heard**2)
    assert in_db(levels.min()) > -1
    assert in_db(levels.max()) < 1


def compared(heard: Wave, begun: Wave) -> tuple[float, float]:
    """By how many ms a wave at 48 kHz is later than another; the signal-to-noise ratio in dB."""
    size = 2 * len(begun)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(begun, size))
    late = int(np.argmax(np.fft.irfft(product)[: len(begun) // 2]))
    there = begun[: len(begun) - late]
    noise = heard[late : late + len(there)] - there
    return late / 48, in_db(float(np.mean(there**2) / np.mean(noise**2)))


# What a codec adds, and each of three conversions of the rate: the third is for the comparison.
DELAY_MS = {"OPUS": 6.5, "AMR-WB": 5.9, "G722": 1.4}
RESAMPLING_MS = 3 * 1.0


@in_pairs
def test_speech_keeps_its_shape_and_level_and_is_late_by_its_codecs_delay(
    source: AudioFormat, target: AudioFormat
) -> None:
    heard = samples(convert(spoken(source), source, target), target, 48_000)
    begun = speech(48_000)[: len(heard)]
    late, ratio = compared(heard, begun)

    formats = {source, target}
    codecs = {format_.encoding for format_ in formats}
    assert abs(in_db(float(np.mean(heard**2) / np.mean(begun**2)))) < 1.2
    assert late <= sum(DELAY_MS.get(codec, 0) for codec in codecs) + RESAMPLING_MS
    # Opus for speech, and AMR-WB, keep the sound and not the wave.
    if not codecs & {"OPUS", "AMR-WB"}:
        floor = 45 if codecs == {"L16"} else 33
        # What is left is the alignment, by whole samples.
        assert ratio > (28 if linear(22_050) in formats or codecs > {"G722"} else floor)


SAMPLED = [(one, other) for one, other in PAIRS if not one.is_packets]


@pytest.mark.parametrize(("source", "target"), SAMPLED, ids=name)
def test_frames_are_converted_like_the_whole(source: AudioFormat, target: AudioFormat) -> None:
    payloads = toned(source)[:50]

    in_frames = b"".join(convert(payloads, source, target))
    assert in_frames == b"".join(convert([b"".join(payloads)], source, target))


@in_pairs
def test_sound_goes_on_after_lost_frames_and_after_a_hand_over(
    source: AudioFormat, target: AudioFormat
) -> None:
    payloads = toned(source)[:75]
    lossy = [each for number, each in enumerate(payloads) if number % 10]
    handed_over = convert(payloads[:30], source, target) + convert(payloads[30:], source, target)

    assert np.all(np.abs(levels(convert(lossy, source, target), target)[2:]) < 4)
    found = levels(handed_over, target)
    # A new state of AMR-WB begins quietly, and one of G.722 with a bang in a decoder that goes on.
    settled = np.delete(found, [0, 1, 6, 7])
    assert np.all(np.abs(settled) < 4)
    assert "G722" in {source.encoding, target.encoding} or np.all(found < 2)


def levels(payloads: Sequence[bytes], format_: AudioFormat) -> Wave:
    """The level of each 100 ms, in dB above the tone's."""
    rate = own_rate(format_)
    heard = samples(payloads, format_, rate)
    tenths = heard[: len(heard) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    return np.asarray(10 * np.log10(np.mean(tenths**2, axis=1) / (LOUD**2 / 2)))


def test_opus_for_music_keeps_the_wave() -> None:
    # The decoder is judged apart from what the encoder leaves out for speech.
    encoder, opus = OpusEncoder(48_000, "lowdelay"), AudioFormat("OPUS", 48_000, 1)
    packets = [each for frame in frames(speech(48_000), 48_000) for each in encoder.encode(frame)]
    heard = samples(packets, opus, 48_000)
    late, ratio = compared(heard, speech(48_000)[: len(heard)])

    assert ratio > 15
    assert late == pytest.approx(2.5, abs=0.1)


def test_flushed_opus_ends_with_silence_and_with_all_that_was_held() -> None:
    made = converter(linear(16_000), AudioFormat("OPUS", 16_000, 1), ORDER)
    audio = tone(16_000, 1000).round().astype(np.int16).tobytes()
    packets = made.convert(audio)

    assert [seconds(each, AudioFormat("OPUS", 16_000, 1)) for each in packets] == [0.020] * 3
    # 40 samples that were left, and 104 of the encoder's look-ahead.
    last = made.flush()
    assert len(last) == 1
    assert made.flush() == []
    assert made.convert(audio[:640])
    assert len(made.flush()) == 1


def test_flushed_g722_has_its_last_sample() -> None:
    made = converter(linear(16_000), AudioFormat("G722", 8000, 1), ORDER)

    assert [len(each) for each in made.convert(bytes(2 * 321))] == [160]
    assert [len(each) for each in made.flush()] == [1]
    assert made.flush() == []


@pytest.mark.parametrize(
    ("codec", "damaged"), [("OPUS", [b"", b"\xff" * 30, b"\x03"]), ("AMR-WB", [b"", bytes(17)])]
)
def test_damaged_packet_is_refused_in_silence_and_the_next_is_decoded(
    codec: str,
    damaged: list[bytes],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    format_ = AudioFormat(codec, 16_000, 1)
    made = converter(format_, linear(16_000), ORDER)

    for packet in damaged:
        with pytest.raises(UnusableAudio, match=f"not {codec}"):
            made.convert(packet)
    assert [len(each) for each in made.convert(toned(format_)[0])] == [640]
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@given(st.sampled_from([*MADE, AMR_WB]), st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_are_decoded_or_refused(source: AudioFormat, payloads: list[bytes]) -> None:
    made = converter(source, linear(12_000), ORDER)
    for payload in payloads:
        with suppress(UnusableAudio):
            assert (
                len(b"".join(made.convert(payload))) <= 2 * 12_000 * seconds(payload, source) + 12
            )


def test_stereo_opus_becomes_one_channel() -> None:
    encoder = AudioCodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    left = tone(48_000, 24_000).round().astype(np.int16)
    packets: list[bytes] = []
    for part in np.stack([left, np.zeros_like(left)], 1).reshape(-1, 960, 2):
        frame = AudioFrame("s16", "stereo", 960)
        frame.sample_rate = 48_000
        frame.planes[0].update(part.tobytes())
        packets += map(bytes, encoder.encode(frame))

    heard = samples(packets, AudioFormat("OPUS", 48_000, 2), 48_000)
    level, _ = without_its_tone(heard[12_000:], 48_000)
    assert level == pytest.approx(-6, abs=1)


def test_comfort_noise_and_bad_frames_of_amr_wb_are_silence() -> None:
    made = converter(AMR_WB, linear(16_000), ORDER)
    speech_frame = toned(AMR_WB)[20]
    bad = speech_frame[:1] + bytes([speech_frame[1] & ~4]) + speech_frame[2:]
    noise = bytes([0xF0, 9 << 3 | 4]) + b"noise"

    assert set(b"".join(made.convert(speech_frame))) != {0}
    for payload in (noise, bad, bytes([0xF0, 15 << 3 | 4])):
        assert made.convert(payload) == [bytes(640)]


def test_restarted_converter_decodes_like_a_new_one() -> None:
    for source, target in PAIRS:
        # Opus is encoded on, in another state.
        if not target.is_packets:
            payloads = toned(source)[:3]
            made = converter(source, target, ORDER)
            first = [made.convert(payload) for payload in payloads]
            made.restart()
            again = [made.convert(payload) for payload in payloads]
            assert again == first or target.encoding == "G722"


def test_amr_wb_is_never_made() -> None:
    for source in MADE:
        assert not can_convert(source, AMR_WB)
        with pytest.raises(UnusableAudio, match="AMR-WB"):
            converter(source, AMR_WB, ORDER)


def test_no_codec_is_imported_until_a_stream_needs_it() -> None:
    script = """
import sys
from callstream.audio.conversion import can_convert, converter
from callstream.audio.formats import PCMU_8K, AudioFormat
heavy = lambda: print(*sorted({"av", "G722", "audioop", "numpy"} & set(sys.modules)))
for codec in ("OPUS", "G722", "AMR-WB"):
    assert can_convert(AudioFormat(codec, 16_000, 1), PCMU_8K)
heavy()
converter(AudioFormat("G722", 16_000, 1), PCMU_8K, "big")
heavy()
converter(AudioFormat("OPUS", 16_000, 1), PCMU_8K, "big")
heavy()
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "layers" / "callstream")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.splitlines() == ["", "G722 audioop", "G722 audioop av"]
