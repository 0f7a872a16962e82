"""The custom parameters of carriers' start messages, in the Streams table.

| pk                    | sk         | what                                                   |
|-----------------------|------------|--------------------------------------------------------|
| `STREAM#<stream id>`  | PARAMETERS | the custom parameters of the stream, if there are some |

An item of its own, which is read when a fork starts: relays read the stream's item every second,
and the counters write it every few seconds. API Gateway accepts no message above 128 KB, so the
item is below DynamoDB's limit of 400 KB. Parameters are private: never log them.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from callstream.calls.model import MediaStream
from callstream.ports import Item
from callstream.table_requests import set_request

MOST_BYTES: Final = 128 * 1024
"""The most bytes of names and values that a fork gets: as many as one start message can have."""


def parameters_key(stream_id: str) -> Item:
    """The key of a stream's custom parameters."""
    return {"pk": f"STREAM#{stream_id}", "sk": "PARAMETERS"}


def build_parameters(stream: MediaStream, parameters: dict[str, str]) -> Item:
    """Keep the parameters of a stream's start message as long as the stream.

    They are one value in JSON, because DynamoDB accepts no empty name and no long name.
    """
    values = {"parameters": msgspec.json.encode(parameters), "expires_at": stream.expires_at}
    key = parameters_key(stream.stream_id)
    return {"Update": set_request(key, values, "attribute_not_exists(pk)")}


def parameters_of(item: Item) -> dict[str, str]:
    """The parameters that an item has."""
    return msgspec.json.decode(item["parameters"], type=dict[str, str])


def merged(each_streams: Iterable[dict[str, str]]) -> tuple[dict[str, str], int]:
    """The parameters of several streams, of which earlier ones win on equal names.

    Returns:
        At most `MOST_BYTES` of parameters, and how many parameters had no room.
    """
    found: dict[str, str] = {}
    left_out: set[str] = set()
    room = MOST_BYTES
    for parameters in each_streams:
        for name, value in parameters.items():
            if name in found:
                continue
            size = len(name.encode()) + len(value.encode())
            if size > room:
                left_out.add(name)
                continue
            found[name] = value
            room -= size
    return found, len(left_out - found.keys())
