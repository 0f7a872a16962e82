"""Where a dialogue is, for the run that goes on after this one."""

from typing import Self

import msgspec
from msgspec import Struct, field

from callstream.relays.sinks.dialogue_replies import Place
from callstream.relays.sinks.incoming_audio import AudioSnapshot


class DialogueSnapshot(Struct):
    """Where a dialogue is.

    `session` is the agent's name for the dialogue, `encoding` the codec of its replies, `number`
    that of the last reply, and `place` up to where nothing needs to be done again. `pressed_at` is
    when the last key was received, in milliseconds since 1970.
    """

    session: str = ""
    encoding: str = "PCMU"
    audio: AudioSnapshot = field(default_factory=AudioSnapshot)
    is_greeted: bool = False
    number: int = 0
    place: Place = Place()
    pressed_at: int = 0

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a snapshot from the bytes of `encode`."""
        return msgspec.msgpack.decode(data, type=cls)

    def encode(self) -> bytes:
        """The snapshot as MessagePack."""
        return msgspec.msgpack.encode(self)
