"""The cost of counted operations. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, Final, Self

# us-east-1, list prices in dollars per unit, of autumn 2026 for Lambda, Kinesis, DynamoDB and
# WebSockets, beyond all free tiers and before all discounts for volume.
PRICES: Final[Mapping[str, float]] = {
    "WebSocket messages": 1.00e-6,  # of 32 KB each
    "connection minutes": 0.25e-6,
    # Whether AWS bills them is not documented: at most as a message.
    "connections closed": 1.00e-6,
    "REST requests": 3.50e-6,
    "Lambda invocations": 0.20e-6,
    "Lambda GB-seconds": 0.0000166667,  # x86_64
    "Kinesis KB put": 0.08 / 2**20,  # on demand; every record is rounded up to a KB
    "Kinesis bytes read": 0.04 / 2**30,  # by our own functions
    "DynamoDB reads": 0.125e-6,  # request units
    "DynamoDB writes": 0.625e-6,
    "SQS requests": 0.40e-6,  # of 64 KB each
    "Secrets Manager calls": 5.00e-6,
    "CloudFront requests": 1.00e-6,  # HTTPS; a WebSocket is one
    "CloudFront bytes to origin": 0.02e-9,
}

_KB: Final = 1024
_MESSAGE_BYTES: Final = 32 * _KB
_SQS_BYTES: Final = 64 * _KB


# The cause of invocations: a message or request of a carrier or client; a batch of records, whose
# number depends on time; all others run whether there are calls or not.
DRIVERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("authorize", "connect", "message", "disconnect", "rest"), "messages"),
    "batch": "batches",
}


class Counts:
    """Counts of operations, by the names in `PRICES` and a few names without a price."""

    def __init__(self, of: Mapping[str, float] | None = None) -> None:
        self._of: dict[str, float] = dict(of or {})

    @classmethod
    def of_ledger(cls, lines: Iterable[str]) -> dict[str, Self]:
        """Count the lines that `bench.metered` writes: `messages`, `batches` and `others`."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for line in lines:
            noted = json.loads(line)
            counts[DRIVERS.get(noted["during"], "others")].update(_units(noted))
        return {driver: cls(counts[driver]) for driver in ("messages", "batches", "others")}

    def __getitem__(self, name: str) -> float:
        return self._of.get(name, 0)

    def __sub__(self, other: Self) -> Self:
        names = self._of | other._of
        return type(self)({name: self[name] - other[name] for name in names})

    def __add__(self, other: Self) -> Self:
        names = self._of | other._of
        return type(self)({name: self[name] + other[name] for name in names})

    def __mul__(self, factor: float) -> Self:
        return type(self)({name: count * factor for name, count in self._of.items()})

    def replaced(self, of: Mapping[str, float]) -> Self:
        """A copy with other values for some names."""
        return type(self)({**self._of, **of})

    def as_dict(self) -> dict[str, float]:
        """All counts, sorted by name."""
        return dict(sorted(self._of.items()))

    @property
    def operations(self) -> float:
        """The number of operations that are billed by number."""
        return sum(self[name] for name in _BY_NUMBER)

    def cpu_seconds(self, function: str) -> float:
        """CPU seconds of all invocations of a function, including the meter."""
        return self[f"CPU microseconds of {function}"] / 1e6

    def cost(self, name: str) -> float:
        """Dollars for one of the names in `PRICES`."""
        return self[name] * PRICES[name]

    def costs(self, billed_ms: float, memory_mb: float) -> dict[str, float]:
        """Dollars by name, if every invocation is billed for ``billed_ms`` milliseconds."""
        seconds = self["Lambda invocations"] * billed_ms / 1000
        whole = self + type(self)({"Lambda GB-seconds": seconds * memory_mb / _KB})
        return {name: whole.cost(name) for name in PRICES}


_BY_NUMBER: Final = (
    "WebSocket messages",
    "REST requests",
    "Lambda invocations",
    "Kinesis KB put",
    "DynamoDB reads",
    "DynamoDB writes",
    "SQS requests",
    "Secrets Manager calls",
)

# Kinesis bills the bytes that are read, and Lambda the functions that run.
_COUNTED_ELSEWHERE: Final = frozenset(
    {
        "kinesis GetRecords",
        "kinesis GetShardIterator",
        "kinesis ListShards",
        "lambda Invoke",
    }
)


def _units(noted: Mapping[str, Any]) -> Counter[str]:
    function = noted["function"]
    match noted:
        case {"what": "invocation", "during": kind, "bytes": size, "cpu_seconds": spent}:
            counts = Counter({"Lambda invocations": 1, f"invocations of {function}": 1})
            counts[f"CPU microseconds of {function}"] = round(spent * 1e6)
            counts += _gateway_units(kind, size)
        case {"what": "request", "service": service, "operation": operation} if (
            f"{service} {operation}" in _COUNTED_ELSEWHERE
        ):
            counts = Counter()
        case {"what": "request", "service": service, "bytes": size}:
            counts = Counter({f"{service} requests of {function}": 1})
            counts += _service_units(service, noted["operation"], size)
            counts["retries"] = 0 if noted["first"] else 1
        case {"what": "capacity", "read": True, "units": units}:
            counts = Counter({"DynamoDB reads": units})
        case {"what": "capacity", "units": units}:
            counts = Counter({"DynamoDB writes": units})
        case _:
            raise ValueError(f"not a line of the ledger: {noted}")
    return counts


def _gateway_units(kind: str, size: int) -> Counter[str]:
    match kind:
        case "message":
            messages = max(1, ceil(size / _MESSAGE_BYTES))
            return Counter({"WebSocket messages": messages, "CloudFront bytes to origin": size})
        case "connect":
            return Counter({"CloudFront requests": 1})
        case "rest":
            return Counter({"REST requests": 1})
        case "batch":
            return Counter({"Kinesis bytes read": size})
        case _:
            return Counter()


def _service_units(service: str, operation: str, size: int) -> Counter[str]:
    match service, operation:
        case "kinesis", "PutRecord":
            return Counter({"Kinesis KB put": max(1, ceil(size / _KB)), "Kinesis records": 1})
        case "dynamodb", _:
            return Counter({"DynamoDB requests": 1})
        case "sqs", _:
            return Counter({"SQS requests": max(1, ceil(size / _SQS_BYTES))})
        case "secrets-manager", _:
            return Counter({"Secrets Manager calls": 1})
        case "apigatewaymanagementapi", "DeleteConnection":
            return Counter({"connections closed": 1})
        case "apigatewaymanagementapi", "PostToConnection":
            return Counter({"WebSocket messages": max(1, ceil(size / _MESSAGE_BYTES))})
        case _:
            # A new billed operation needs a price before the sum can be trusted.
            raise ValueError(f"no price is known for {service} {operation}")
