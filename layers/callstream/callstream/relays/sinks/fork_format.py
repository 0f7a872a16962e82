"""The format of a fork: the one that the consumer wants, or the nearest that it can have. Pure."""

from collections.abc import Sequence

from callstream.audio.conversion import can_convert
from callstream.audio.formats import AudioFormat, usual_rate
from callstream.dialects import DIALECTS


def fork_format(
    call: AudioFormat, codec: str | None, sample_rate: int | None, dialect: str
) -> AudioFormat:
    """The format in which a call's audio goes to a consumer.

    That is the wanted format if the dialect can name it; otherwise the dialect's nearest. If the
    call's audio cannot be converted to that, the fork has the call's own format.

    Args:
        call: the format of the call's audio.
        codec: the RTP name of the wanted codec; None is the call's own.
        sample_rate: the wanted rate in Hz; None is the codec's usual rate for this call.
        dialect: the dialect that the consumer understands.
    """
    wishes = (_wanted(call, codec, sample_rate), call)
    formats = (_nearest(wish, DIALECTS[dialect].FORMATS) for wish in wishes)
    return next((each for each in formats if can_convert(call, each)), call)


def _wanted(call: AudioFormat, codec: str | None, sample_rate: int | None) -> AudioFormat:
    codec = codec or call.encoding
    if codec == call.encoding and sample_rate in {None, call.sample_rate}:
        return call
    return AudioFormat(codec, usual_rate(codec, sample_rate or call.audio_rate), call.channels)


def _nearest(wanted: AudioFormat, formats: Sequence[AudioFormat]) -> AudioFormat:
    if wanted in formats:
        return wanted
    return min(
        formats,
        key=lambda each: (
            abs(each.audio_rate - wanted.audio_rate),
            each.encoding != wanted.encoding,
        ),
        default=wanted,
    )
