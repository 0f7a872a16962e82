"""Packets of Opus and AMR-WB: how long they are, and what is in them. Pure; needs no codec."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from callstream.audio.formats import AudioFormat

_LONGEST_OPUS: Final = 0.120

# RFC 6716, 3.1: the first five bits of a packet say the mode, the bandwidth and the duration.
_OPUS_FRAMES: Final = (
    *(0.010, 0.020, 0.040, 0.060) * 3,
    *(0.010, 0.020) * 2,
    *(0.0025, 0.005, 0.010, 0.020) * 4,
)

_BYTE: Final = 8
_AMR_WB_FRAME: Final = 0.020
_MOST_FRAMES: Final = 1500
"""A payload of more frames than in 30 s is malformed: frames without data have no bits."""
_MOST_AMR_WB_BYTES: Final = _MOST_FRAMES * 62
"""A longer payload is not looked at: the longest frame has 477 bits, and a byte in the table."""
_AMR_WB_BITS: Final = {
    **dict(enumerate((132, 177, 253, 285, 317, 365, 397, 461, 477))),
    9: 40,  # comfort noise
    14: 0,  # lost
    15: 0,  # no data
}
"""The bits of a frame, by frame type (RFC 4867, and 3GPP TS 26.201)."""


def seconds(payload: bytes, format_: AudioFormat) -> float:
    """How long a payload plays; 0 if its codec is unknown, or it is no packet of its codec."""
    if format_.byte_rate:
        return len(payload) / format_.byte_rate
    measure = _MEASURES.get(format_.encoding)
    return measure(payload) if measure else 0.0


class AmrWbFrame(NamedTuple):
    """One frame of 20 ms: its type, whether it is undamaged, and its speech bits in bytes."""

    type: int
    is_good: bool
    speech: bytes


def amr_wb_frames(payload: bytes) -> list[AmrWbFrame]:
    """The frames of an RTP payload (RFC 4867, 4.3 and 4.4); none if the payload is malformed.

    A payload has one of two forms, which only signalling names. Its length tells them apart: the
    bandwidth-efficient form has no bits between its parts, the octet-aligned form begins each part
    with a byte.
    """
    if len(payload) > _MOST_AMR_WB_BYTES:
        return []
    return _amr_wb_frames(payload, 4, 6, 1) or _amr_wb_frames(payload, 8, 8, 8)


def _opus_seconds(packet: bytes) -> float:
    if not packet:
        return 0.0
    frame, code = _OPUS_FRAMES[packet[0] >> 3], packet[0] & 3
    if code < 3:  # noqa: PLR2004
        return frame * (2 if code else 1)
    # RFC 6716, 3.2.5: the number of frames is in the second byte.
    total = frame * (packet[1] & 0x3F) if len(packet) > 1 else 0.0
    return total if total <= _LONGEST_OPUS else 0.0


def _amr_wb_seconds(payload: bytes) -> float:
    return _AMR_WB_FRAME * len(amr_wb_frames(payload))


def _amr_wb_frames(payload: bytes, request: int, entry: int, unit: int) -> list[AmrWbFrame]:
    """The frames of one form: the bits of the mode request and of an entry, and how parts align."""
    bits = "".join(f"{byte:08b}" for byte in payload)
    table: list[str] = []
    at = request
    while not table or table[-1][0] == "1":
        # One bit whether an entry follows, four of the frame's type, one of its quality.
        table.append(bits[at : at + 6])
        at += entry
        if (
            at > len(bits)
            or len(table) > _MOST_FRAMES
            or int(table[-1][1:5], 2) not in _AMR_WB_BITS
        ):
            return []
    frames: list[AmrWbFrame] = []
    for each in table:
        type_ = int(each[1:5], 2)
        size = _AMR_WB_BITS[type_]
        whole = size + -size % _BYTE
        speech = int(bits[at : at + size].ljust(whole, "0") or "0", 2).to_bytes(whole // _BYTE)
        frames.append(AmrWbFrame(type_, each[5] == "1", speech))
        at += size + -size % unit
    return frames if 0 <= len(bits) - at < _BYTE else []


_MEASURES: Final[Mapping[str, Callable[[bytes], float]]] = {
    "OPUS": _opus_seconds,
    "AMR-WB": _amr_wb_seconds,
}
