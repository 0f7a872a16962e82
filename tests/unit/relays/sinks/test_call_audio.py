"""The timeline of a call's audio, when frames come late."""

from array import array

from callstream.dialects.events import Track
from callstream.relays.sinks.call_audio import CallAudio
from tests.unit.transcription.scripted_engine import MS, sound

FRAME_MS = 20


def test_audio_after_zeros_is_not_lost_if_one_track_was_behind() -> None:
    audio, now, given = CallAudio(("inbound", "outbound"), {}), 1000.0, bytearray()

    def put(track: Track, at_ms: int) -> None:
        audio.put("s1", track, at_ms, sound(7, FRAME_MS), now)

    def take(*, is_final: bool = False) -> None:
        for stretch in audio.take(now, is_final=is_final):
            # A stretch that begins earlier takes back the rest of the one before.
            del given[stretch.begin_ms * MS * 4 :]
            given.extend(stretch.audio)

    for at_ms in range(0, 1000, FRAME_MS):
        put("inbound", at_ms)
        if at_ms < 900:
            put("outbound", at_ms)
    for _ in range(100):
        now += 0.05
        take()
    for at_ms in range(900, 4000, FRAME_MS):
        put("outbound", at_ms)
        if at_ms >= 1000:
            put("inbound", at_ms)
    take(is_final=True)

    samples = array("h", bytes(given))
    heard_ms = [sum(map(bool, samples[channel::2])) // MS for channel in range(2)]
    # Zeros were given for the 100 ms together with the other track's audio.
    assert heard_ms == [4000, 3900]
