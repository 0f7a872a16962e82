"""The handler of a metered function: writes the billed operations of each invocation to a ledger.

Runs inside the functions of the local stack, as a layer, in front of the real handler. It hooks
onto botocore and the signed client before the function makes its clients, so that it sees every
attempt of every request.
The ledger gets one line of JSON for each operation, in a single write.
"""

import json
import os
import time
from base64 import b64decode
from collections.abc import Mapping
from importlib import import_module
from math import ceil
from threading import local
from typing import Any, Final

from botocore.client import ClientCreator

from callstream.adapters.aws.kept_connections import Answer, KeptConnections
from callstream.adapters.aws.signed_client import SignedClient

_FUNCTION: Final = os.environ["BENCH_FUNCTION"]
_LEDGER: Final = os.open(os.environ["BENCH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_READS: Final = frozenset({"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"})

# Requests before an environment's first invocation belong to its start.
_during = "start"


def _note(what: str, **details: object) -> None:
    line = json.dumps(dict(details, what=what, function=_FUNCTION, during=_during))
    os.write(_LEDGER, f"{line}\n".encode())


def _note_request(service: str, operation: str, body: bytes, *, is_first: bool) -> None:
    size = len(body)
    if service == "kinesis" and operation == "PutRecord":
        record = json.loads(body)
        size = len(b64decode(record["Data"])) + len(record["PartitionKey"])
    _note("request", service=service, operation=operation, bytes=size, first=is_first)


def _sent(request: Any, event_name: str, **_: object) -> None:  # noqa: ANN401
    service, operation = event_name.split(".")[1:]
    attempt = str(request.headers.get("amz-sdk-request", b"attempt=1"), "ascii")
    is_first = attempt.startswith("attempt=1")
    _note_request(service, operation, request.body or b"", is_first=is_first)


def _ask_for_capacity(params: dict[str, Any], **_: object) -> None:
    params["ReturnConsumedCapacity"] = "TOTAL"


def _answered(parsed: Mapping[str, Any], event_name: str, **_: object) -> None:
    operation = event_name.rpartition(".")[2]
    consumed = parsed.get("ConsumedCapacity", [])
    tables = [consumed] if isinstance(consumed, dict) else consumed
    units = sum(float(table["CapacityUnits"]) for table in tables)
    # A write whose condition fails is billed too; its answer does not report capacity.
    refused = "Condition" in parsed.get("Error", {}).get("Message", "")
    _note("capacity", read=operation in _READS, units=max(units, 1.0 if refused else 0.0))


_create_client: Final = ClientCreator.create_client


def _create_metered_client(self: ClientCreator, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    client: Any = _create_client(self, *args, **kwargs)
    client.meta.events.register("before-send", _sent)
    client.meta.events.register("provide-client-params.dynamodb", _ask_for_capacity)
    client.meta.events.register("after-call.dynamodb", _answered)
    return client


setattr(ClientCreator, "create_client", _create_metered_client)  # noqa: B010  # a method, to mypy
_begin: Final = SignedClient.request
_exchange: Final = KeptConnections.exchange
_attempts: Final = local()
_JSON_SERVICES: Final = {
    "AmazonSQS": "sqs",
    "DynamoDB_20120810": "dynamodb",
    "Kinesis_20131202": "kinesis",
}
# Bytes of an item for which DynamoDB bills a unit.
_UNIT_BYTES: Final = {"GetItem": 4096, "UpdateItem": 1024}
_OF_CONNECTIONS: Final = {
    "POST": "PostToConnection",
    "GET": "GetConnection",
    "DELETE": "DeleteConnection",
}


def _metered_request(self: SignedClient, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    _attempts.count = 0
    return _begin(self, *args, **kwargs)


def _metered_exchange(
    self: KeptConnections, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    _attempts.count += 1
    service, _, operation = headers.get("x-amz-target", "").partition(".")
    if operation:
        service = _JSON_SERVICES.get(service, service)
    else:
        service, operation = "apigatewaymanagementapi", _OF_CONNECTIONS[method]
    _note_request(service, operation, body, is_first=_attempts.count == 1)
    answer = _exchange(self, method, path, headers, body)
    if service == "dynamodb":
        # The answer has the whole item. To ask for its capacity would need another signature.
        item: dict[str, Any] = next(iter(json.loads(answer.body).values()), {})
        size = sum(len(name) + len(str(*item[name].values())) for name in item)
        units = max(1, ceil(size / _UNIT_BYTES[operation]))
        _note("capacity", read=operation in _READS, units=units)
    return answer


setattr(SignedClient, "request", _metered_request)  # noqa: B010
setattr(KeptConnections, "exchange", _metered_exchange)  # noqa: B010
_handler: Final = import_module("app").handler


def _kind(event: Mapping[str, Any]) -> str:
    """The kind of event that caused the invocation."""
    context = event.get("requestContext", {})
    if "methodArn" in event:
        return "authorize"
    if "eventType" in context:
        return str(context["eventType"]).lower()
    if "httpMethod" in event:
        return "rest"
    # Batches of the counters function are part of a track-hour; the fan-out serves forks.
    counts_streams = _FUNCTION == "StreamCountersFunction"
    records = event.get("Records", [])
    has_records = any("kinesis" in record for record in records)
    return "batch" if counts_streams and has_records else "other"


def _size(event: Mapping[str, Any]) -> int:
    """The size in bytes of the message, or of the records."""
    if _during == "batch":
        return sum(len(b64decode(record["kinesis"]["data"])) for record in event["Records"])
    return len(str(event.get("body") or "").encode("utf-8", "surrogatepass"))


def handler(event: dict[str, Any], context: object) -> object:
    """Call the function's own handler, and note the invocation."""
    global _during  # noqa: PLW0603  # an environment has one invocation at a time
    _during = _kind(event)
    began = time.process_time()
    try:
        return _handler(event, context)
    finally:
        spent = time.process_time() - began
        _note("invocation", bytes=_size(event), cpu_seconds=spent)
