import random
import struct

from callstream_cli.dialogflow.loudness import LoudnessGate
from tests import tones


def noise(milliseconds: int, loudness: int) -> bytes:
    chance = random.Random(1)  # noqa: S311 - noise
    samples = [chance.randint(-loudness, loudness) for _ in range(8 * milliseconds)]
    return struct.pack(f"<{len(samples)}h", *samples)


def test_gate_notices_speech_in_whatever_pieces_it_comes() -> None:
    spoken = tones.quiet(500) + tones.speech("hello")
    for size in (2, 160, 1600, len(spoken)):
        gate = LoudnessGate()
        heard = [gate.hear(spoken[at : at + size]) for at in range(0, len(spoken), size)]
        first = heard.index(True) * size
        assert first <= len(tones.quiet(500)) + len(tones.quiet(100))
        assert first + size > len(tones.quiet(500))


def test_gate_takes_neither_noise_nor_a_click_for_speech() -> None:
    gate = LoudnessGate()
    assert not gate.hear(noise(2000, loudness=400))
    assert not LoudnessGate().hear(noise(2000, loudness=1500))
    assert not gate.hear(noise(40, loudness=20_000) + noise(500, loudness=400))
    assert gate.hear(noise(200, loudness=5000))
