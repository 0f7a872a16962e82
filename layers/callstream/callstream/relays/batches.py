"""Records as messages to a subscriber of the relay API.

A message holds the MessagePack records of one stream, in the order in which Kinesis had them, as a
MessagePack array in base64: API Gateway sends text only.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

import msgspec

from callstream.errors import UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Record

# API Gateway takes frames of 32 KB, may close a connection that gets larger ones, and bills in
# steps of that size. Base64 makes four bytes of three.
_BATCH_BYTES: Final = 24_000

_array: Final = msgspec.msgpack.Decoder(list[bytes])


def batches(encoded: Iterable[bytes]) -> list[bytes]:
    """Pack records, each encoded by itself, into messages for a subscriber."""
    messages: list[list[bytes]] = [[]]
    size = 0
    for data in encoded:
        if messages[-1] and size + len(data) > _BATCH_BYTES:
            messages.append([])
            size = 0
        messages[-1].append(data)
        size += len(data) + 5
    return [b64encode(msgspec.msgpack.encode(message)) for message in messages if message]


def read_batch(message: str | bytes) -> list[Record]:
    """Unpack the records of a message, without those that are not of this version.

    Raises:
        UnreadableMessage: reason `not_a_record`: the message is not a batch.
    """
    try:
        array = _array.decode(b64decode(message, validate=True))
    except (ValueError, msgspec.DecodeError) as error:
        raise UnreadableMessage("not_a_record", str(error)) from None
    found: list[Record] = []
    for data in array:
        try:
            found.append(records.decode(data))
        except UnreadableMessage:
            continue
    return found
