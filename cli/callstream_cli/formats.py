"""Audio formats: which can be decoded and encoded here, and which each carrier's calls can have.

This module imports no codec.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from callstream.audio.conversion import can_convert
from callstream.audio.formats import CODECS, AudioFormat
from callstream.dialects import DIALECTS
from callstream_cli.carrier.identity import CarrierName

type _Rates = Mapping[str, tuple[int, ...]]
"""By codec, the rates in Hz; the first is the default."""

_ALL: Final[_Rates] = {
    "PCMU": (8000,),
    "PCMA": (8000,),
    "G722": (8000,),
    "OPUS": (16_000, 8000, 24_000, 48_000),
    "AMR-WB": (16_000, 8000),
    "L16": (16_000, 8000, 22_050, 24_000, 48_000),
}
"""The formats of all carriers; Telnyx has all of them."""
_NAMES: Final[Mapping[CarrierName, str]] = {
    "twilio": "Twilio",
    "telnyx": "Telnyx",
    "signalwire": "SignalWire",
}

FORMAT_HELP: Final = (
    "PCMU, PCMA, G722, OPUS or L16; with a rate in Hz OPUS@8000 (16000, 24000, 48000) and "
    "L16@8000 (16000, 22050, 24000, 48000)"
)


def linear(format_: AudioFormat) -> AudioFormat:
    """The format of a format's decoded audio."""
    return AudioFormat("L16", format_.audio_rate, 1)


def can_decode(format_: AudioFormat) -> bool:
    """Whether audio in a format can be decoded here."""
    return can_convert(format_, linear(format_))


def can_encode(format_: AudioFormat) -> bool:
    """Whether audio in a format can be made here."""
    return can_convert(linear(format_), format_)


def title(format_: AudioFormat) -> str:
    """A format in words."""
    audio = "" if format_.audio_rate == format_.sample_rate else f" ({format_.audio_rate} Hz audio)"
    channels = "" if format_.channels == 1 else f", {format_.channels} channels"
    return f"{format_.encoding} at {format_.sample_rate} Hz{audio}{channels}"


class FormatError(Exception):
    """The text names no format that can be used there; the message says why."""


def call_format(text: str, carrier: CarrierName) -> AudioFormat:
    """The format that `CODEC` or `CODEC@RATE` names, for a call of a carrier.

    Raises:
        FormatError: the text names no format, the carrier's streams do not have the format, or
            audio in that format cannot be made here.
    """
    return _format(text, _rates(carrier), f"{_NAMES[carrier]}'s streams")


def any_format(text: str) -> AudioFormat:
    """The format that `CODEC` or `CODEC@RATE` names, of all that one of the carriers has.

    Raises:
        FormatError: as `call_format`.
    """
    return _format(text, _ALL, "streams")


def has_format(dialect: str, format_: AudioFormat) -> bool:
    """Whether the streams of a dialect's carrier have a format."""
    formats = DIALECTS[dialect].FORMATS
    return not formats or format_ in formats


def formats_of(dialect: str) -> str:
    """The codecs that the streams of a dialect's carrier have, in words."""
    return _listed(_rates(dialect))


def _rates(dialect: str) -> _Rates:
    has = {
        codec: tuple(rate for rate in rates if has_format(dialect, AudioFormat(codec, rate, 1)))
        for codec, rates in _ALL.items()
    }
    return {codec: rates for codec, rates in has.items() if rates}


def _format(text: str, known: _Rates, owner: str) -> AudioFormat:
    name, at, rate = text.partition("@")
    codec = name.upper()
    if codec not in CODECS:
        raise FormatError(f"{name!r} is not a codec: the codecs are {_listed(CODECS)}")
    if codec not in known:
        raise FormatError(f"{owner} have no {codec}, only {_listed(known)}")
    rates = known[codec]
    if at and not (rate.isdecimal() and int(rate) in rates):
        raise FormatError(f"{owner} have no {text!r}: {codec} has {_listed(map(str, rates))} Hz")
    format_ = AudioFormat(codec, int(rate) if at else rates[0], 1)
    if not can_encode(format_):
        raise FormatError(f"{codec} cannot be encoded here: no well-kept library does")
    return format_


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
