"""The replies of a relay's virtual agent, kept until they are played.

A kept reply is the truth: the agent is not asked again, whatever becomes of the run that has asked.

Replies are items beside the call in the Streams table, and expire with the call:

- `CALL#<tenant>#<id>` / `REPLY#<relay>#<number>`: all but the audio. How much is played is written
  every second, and DynamoDB counts the size of the whole item for that. So this item is small.
- `CALL#<tenant>#<id>` / `REPLY_AUDIO#<relay>#<number>#<part>`: the audio, cut to the size of items.
  It is deleted once the reply is played.

The store needs `dynamodb:GetItem`, `PutItem`, `UpdateItem`, `DeleteItem` and `Query` of the Streams
table.
"""

import logging
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from callstream.calls.call_requests import call_key
from callstream.dialogues.virtual_agent import DialogueEnd, KeysWanted
from callstream.errors import ConditionFailed, UnknownCall
from callstream.identity import RelayIdentity
from callstream.ports import Item, Table
from callstream.table_requests import set_request

_logger = logging.getLogger(__name__)

MOST_AUDIO: Final = 8_000_000
"""So many bytes of a reply are kept and played: 16 minutes of PCMU."""
PART_BYTES: Final = 380_000
"""DynamoDB takes 400 KB (409,600 bytes) in an item, names and key included."""
_MOST_DETAILS: Final = 64_000
"""So many bytes of what the agent says about its end are kept, for example to a human."""


class KeptReply(Struct, frozen=True):
    """A reply of the agent, as it is kept: never log it.

    Attributes:
        number: the number of the reply in its relay, from 1 on.
        until_ms: where the audio of the reply's turn ended, in milliseconds of the call's time. No
            audio before that is given to the agent again.
        audio: the reply's audio in the dialogue's format, or what is left of it; may be empty.
        played_ms: how much of the audio the carrier has got, in milliseconds.
        is_uninterruptible: whether the audio is not cut off when the person speaks.
        is_done: whether the reply was played, or cut off: its audio is deleted.
        end: what the agent has said about the end of the dialogue, if the dialogue is over.
        keys: the keys that the agent takes now, if it takes any.
        keys_until: when the last key was received that the agent has got, in milliseconds since
            1970.
        reports: the number of the last report when the reply came.
    """

    number: int
    until_ms: int
    audio: bytes
    played_ms: int = 0
    is_uninterruptible: bool = False
    is_done: bool = False
    end: DialogueEnd | None = None
    keys: KeysWanted | None = None
    keys_until: int = 0
    reports: int = 0

    def __repr__(self) -> str:
        return f"KeptReply({self.number}, {len(self.audio)} bytes)"


class ReplyStore:
    """The kept replies of one relay. Blocking; every method may raise `Unavailable`."""

    def __init__(self, table: Table, relay: RelayIdentity) -> None:
        self._table = table
        self._relay = relay
        self._partition: str = call_key(relay.tenant_id, relay.call_id)["pk"]
        self._expires_at: int | None = None

    def keep(self, reply: KeptReply) -> KeptReply:
        """Keep a reply before it is played; a reply that is kept already is replaced.

        Returns:
            The reply as it is to be played: of more than `MOST_AUDIO` bytes of audio, the rest is
            left out. The audio of a reply that is done is not kept.

        Raises:
            UnknownCall: the table does not have the call.
        """
        if len(reply.audio) > MOST_AUDIO:
            extra = {"relay_id": self._relay.relay_id}
            _logger.error("a reply is cut: it has %d bytes", len(reply.audio), extra=extra)
            reply = replace(reply, audio=reply.audio[:MOST_AUDIO])
        expiry = {"expires_at": self._expiry()}
        begins = range(0, 0 if reply.is_done else len(reply.audio), PART_BYTES)
        for part, begin in enumerate(begins):
            audio = reply.audio[begin : begin + PART_BYTES]
            self._table.put(self._part_key(reply.number, part) | expiry | {"audio": audio})
        # Last, because the reply is kept from then on.
        head = {"details": _details(reply), "parts": len(begins), "until_ms": reply.until_ms}
        state = {"played_ms": reply.played_ms, "is_done": reply.is_done}
        self._table.put(self._head_key(reply.number) | expiry | head | state)
        return reply

    def note(self, number: int, played_ms: int, *, is_done: bool) -> None:
        """Note how much of a kept reply is played; delete its audio once the reply is done.

        A run that was replaced, but is not dead, may note late: what is done stays done.
        """
        request = set_request(
            self._head_key(number),
            {"played_ms": played_ms} | ({"is_done": True} if is_done else {}),
            "#is_done = :open",
            {"open": False},
        )
        try:
            head = self._table.update(request)
        except ConditionFailed:
            return
        if is_done:
            for part in range(int(head["parts"])):
                self._table.delete(self._part_key(number, part))

    def unfinished(self) -> list[KeptReply]:
        """The replies that are not done, in their order, with their audio."""
        heads = self._table.query(self._partition, self._prefix("REPLY"))
        return [self._with_audio(head) for head in heads if not head["is_done"]]

    def last(self) -> KeptReply | None:
        """The last reply, done or not, without its audio; None before the first."""
        head = self._table.newest(self._partition, self._prefix("REPLY"))
        return None if head is None else _reply(head)

    def _with_audio(self, head: Item) -> KeptReply:
        reply = _reply(head)
        prefix = f"{self._prefix('REPLY_AUDIO')}{reply.number:08}#"
        # Further parts are of a longer reply of this number, which a run that died has not kept.
        parts = self._table.query(self._partition, prefix)[: int(head["parts"])]
        return replace(reply, audio=b"".join(bytes(part["audio"]) for part in parts))

    def _prefix(self, kind: str) -> str:
        return f"{kind}#{self._relay.relay_id}#"

    def _head_key(self, number: int) -> Item:
        return {"pk": self._partition, "sk": f"{self._prefix('REPLY')}{number:08}"}

    def _part_key(self, number: int, part: int) -> Item:
        sk = f"{self._prefix('REPLY_AUDIO')}{number:08}#{part:03}"
        return {"pk": self._partition, "sk": sk}

    def _expiry(self) -> int:
        if self._expires_at is None:
            relay = self._relay
            call = self._table.get(call_key(relay.tenant_id, relay.call_id))
            if call is None:
                raise UnknownCall("the call of the relay is gone")
            self._expires_at = int(call["expires_at"])
        return self._expires_at


def _details(reply: KeptReply) -> bytes:
    """All about a reply that does not change, but its audio."""
    reply = replace(reply, audio=b"", played_ms=0, is_done=False)
    details = msgspec.msgpack.encode(reply)
    if len(details) > _MOST_DETAILS and reply.end is not None:
        _logger.error("the metadata of a dialogue's end is left out: %d bytes", len(details))
        details = msgspec.msgpack.encode(replace(reply, end=DialogueEnd(reply.end.kind)))
    return details


def _reply(head: Item) -> KeptReply:
    reply = msgspec.msgpack.decode(bytes(head["details"]), type=KeptReply)
    return replace(reply, played_ms=int(head["played_ms"]), is_done=bool(head["is_done"]))
