"""Forks, as a gateway sends them."""

from typing import Any

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    CarrierEvent,
    Media,
    Start,
    Track,
)
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate
from callstream_cli.listener.behaviour import Handshake
from callstream_cli.listener.fork_state import ForkState

BOTH: dict[Track, bytes] = {
    "inbound": bytes(range(160)) * 30,
    "outbound": bytes(range(80, 240)) * 30,
}


PLAIN = Handshake("/", {})


L16 = AudioFormat(encoding="L16", sample_rate=16_000, channels=1)


PCMA = AudioFormat(encoding="PCMA", sample_rate=8000, channels=1)


def start(format_: AudioFormat = PCMU_8K, **fields: Any) -> Start:
    return Start(
        sequence=1,
        carrier_stream_id="ST1",
        call_id="CA1",
        account_id="AC1",
        tracks=("inbound",),
        format=format_,
        **fields,
    )


def media(number: int, *, track: Track = "inbound", chunk: int, sound: bytes = b"\1\2") -> Media:
    timestamp = (chunk - 1) * 20
    return Media(sequence=number, track=track, chunk=chunk, timestamp=timestamp, audio=sound)


def received(
    *events: CarrierEvent | str | bytes, dialect: str = "twilio", keep: bool = True
) -> ForkState:
    """The state of a fork that has received events in a dialect, or raw messages."""
    state = ForkState(1, PLAIN, 100.0, keep=keep)
    for index, event in enumerate(events):
        if not isinstance(event, str | bytes):
            event = DIALECTS[dialect].render(event, "ST1")  # noqa: PLW2901
        state.take(event, 100.0 + index * 0.02)
    return state


def received_call(plan: CallPlan) -> ForkState:
    """The state of a fork that has received a simulated carrier's whole call."""
    state = ForkState(1, PLAIN)
    for message in Carrier(plan).messages():
        if message.fate is not Fate.DROPPED:
            state.take(message.text, message.at)
    state.close(1000, "", "gateway", 99.0)
    return state
