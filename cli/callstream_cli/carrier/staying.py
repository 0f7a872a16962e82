"""What a simulated call does beside its recording: stays on the line, and forks itself."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.dialects.events import Track
from callstream_cli import codecs
from callstream_cli.carrier.forking import ForkCommand
from callstream_cli.carrier.plan import Sequel
from callstream_cli.formats import linear
from callstream_cli.gateway import fork_as_signalwire, fork_as_telnyx, fork_as_twilio

type ForkDialect = Literal["telnyx", "signalwire", "twilio"]
"""The dialects of forks, by the vendors whose commands make them."""

FORK_COMMANDS: Final[Mapping[ForkDialect, ForkCommand]] = {
    "telnyx": partial(fork_as_telnyx, answers=True),
    "signalwire": fork_as_signalwire,
    "twilio": fork_as_twilio,
}
TELNYX_DIALOGFLOW: Final = partial(fork_as_telnyx, answers=True, dialogflow=True)
"""Telnyx's command that also has a virtual agent talk with the caller."""


def sequel(
    recorded: Mapping[Track, Sequence[bytes]],
    format_: AudioFormat,
    byte_order: ByteOrder,
    *,
    loop: bool,
    hold: float | None,
) -> Sequel | None:
    """What follows the recording: the recording again, or silence; None if the call ends with it.

    Args:
        recorded: the frames of the recording.
        format_: their format.
        byte_order: of L16.
        loop: whether the recording is repeated.
        hold: for how many seconds more; None without an end.
    """
    if loop:
        return Sequel(recorded, hold)
    if not hold:
        return None
    second = linear(format_)
    silence = codecs.encoded(bytes(2 * second.sample_rate), second, format_, byte_order)
    return Sequel(dict.fromkeys(recorded, silence), hold)
