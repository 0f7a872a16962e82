"""The handler of a metered function: writes down what an invocation would be billed for.

Runs inside the functions of the local stack, as a layer, in front of the real handler. It hooks
onto botocore before the function makes its clients, so that it sees every request that is sent, and
every attempt. One line of JSON for each thing goes to the ledger, in one write.
"""

import json
import os
import time
from base64 import b64decode
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from botocore.client import ClientCreator

_FUNCTION: Final = os.environ["BENCH_FUNCTION"]
_LEDGER: Final = os.open(os.environ["BENCH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_READS: Final = frozenset({"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"})

# What an environment does before its first invocation is part of its start.
_during = "start"


def _note(what: str, **details: object) -> None:
    line = json.dumps(dict(details, what=what, function=_FUNCTION, during=_during))
    os.write(_LEDGER, f"{line}\n".encode())


def _sent(request: Any, event_name: str, **_: object) -> None:  # noqa: ANN401
    service, operation = event_name.split(".")[1:]
    body = request.body or b""
    size = len(body)
    if service == "kinesis" and operation == "PutRecord":
        record = json.loads(body)
        size = len(b64decode(record["Data"])) + len(record["PartitionKey"])
    attempt = str(request.headers.get("amz-sdk-request", b"attempt=1"), "ascii")
    _note(
        "request",
        service=service,
        operation=operation,
        bytes=size,
        first=attempt.startswith("attempt=1"),
    )


def _ask_for_capacity(params: dict[str, Any], **_: object) -> None:
    params["ReturnConsumedCapacity"] = "TOTAL"


def _answered(parsed: Mapping[str, Any], event_name: str, **_: object) -> None:
    operation = event_name.rpartition(".")[2]
    consumed = parsed.get("ConsumedCapacity", [])
    tables = [consumed] if isinstance(consumed, dict) else consumed
    units = sum(float(table["CapacityUnits"]) for table in tables)
    # A write whose condition fails is billed too, and its answer does not say so.
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
_handler: Final = import_module("app").handler


def _kind(event: Mapping[str, Any]) -> str:
    """What made API Gateway or Lambda invoke the function."""
    context = event.get("requestContext", {})
    if "methodArn" in event:
        return "authorize"
    if "eventType" in context:
        return str(context["eventType"]).lower()
    if "httpMethod" in event:
        return "rest"
    # The tally's batches are an hour's; the fan-out has one whenever something lands, for forks.
    is_tally = _FUNCTION == "StreamCountersFunction"
    records = event.get("Records", [])
    return "batch" if is_tally and any("kinesis" in record for record in records) else "other"


def _size(event: Mapping[str, Any]) -> int:
    """Bytes of the message, or of the records."""
    if _during == "batch":
        return sum(len(b64decode(record["kinesis"]["data"])) for record in event["Records"])
    return len(str(event.get("body") or "").encode("utf-8", "surrogatepass"))


def handler(event: dict[str, Any], context: object) -> object:
    """Do what the function does, and note it."""
    global _during  # noqa: PLW0603  # an environment has one invocation at a time
    _during = _kind(event)
    began = time.process_time()
    try:
        return _handler(event, context)
    finally:
        spent = time.process_time() - began
        _note("invocation", bytes=_size(event), cpu_seconds=spent)
